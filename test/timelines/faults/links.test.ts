import { describe, expect, test, type TestContext } from 'vitest'
import { Audit, wait } from '../../support/faults/audit.ts'
import { Link, noNamespaces } from '../../support/faults/link.ts'
import { row } from '../../support/faults/row.ts'
import { skipAloud } from '../../support/processes/processes.ts'

const why = noNamespaces()
if (why !== undefined) skipAloud(`links are not cut: ${why}`)

describe.skipIf(why !== undefined).concurrent('the link between server and agent is cut: what is sent gets lost, and nobody is told', () => {
  async function begin({ onTestFinished }: TestContext): Promise<{ readonly link: Link; readonly audit: Audit }> {
    const link = new Link()
    onTestFinished(() => link[Symbol.dispose]())
    const audit = await Audit.start({ listen: `${link.serverHost}:7443`, server: { under: link.under('server') }, agent: { under: link.under('agent') } })
    onTestFinished(() => audit[Symbol.asyncDispose]())
    return { link, audit }
  }

  test('for 1 s: a revocation made meanwhile comes late, by no more than the cut and the time until it is sent again; nothing else is refused', async (context) => {
    const { link, audit } = await begin(context)
    link.cut()
    await audit.revoke()
    await wait(1_000)
    link.mend()
    row('link cut for 1 s', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })

  test('for 10 s: strict refuses all after 3 s; standard goes on, and refuses what was revoked once it is mended', async (context) => {
    const { link, audit } = await begin(context)
    link.cut()
    const cutForTen = wait(10_000)
    await audit.revoke()
    await audit.until(() => audit.verdict(audit.good, 'strict') === 'stale', 'stale under strict')
    expect([audit.verdict(audit.good, 'standard'), audit.verdict(audit.good, 'available')]).toEqual(['accepted', 'accepted'])
    await cutForTen
    link.mend()
    row('link cut for 10 s', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })
})
