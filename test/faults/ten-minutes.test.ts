import { describe, expect, test, type TestContext } from 'vitest'
import { Audit, classes, wait, type AuditOptions } from '../support/faults/audit.ts'
import { Link, noNamespaces } from '../support/faults/link.ts'
import { row } from '../support/faults/row.ts'
import { skipAloud } from '../support/processes/processes.ts'

const minutes = Number(process.env['MAYFLY_FAULT_MINUTES'] ?? '10')
const why = noNamespaces()
if (why !== undefined) skipAloud(`the link is not cut: ${why}`)

/** Ten minutes without a server. SVIDs of 30 minutes: renewed at half of their life, they have thirteen left at least. */
describe.concurrent(`${minutes} minutes`, { timeout: (minutes + 5) * 60_000 }, () => {
  test.skipIf(why !== undefined)('the link between server and agent is cut', async (context) => {
    const link = new Link()
    context.onTestFinished(() => link[Symbol.dispose]())
    const audit = await begin(context, { listen: `${link.serverHost}:7443`, server: { under: link.under('server') }, agent: { under: link.under('agent') } })
    link.cut()
    await audit.revoke()
    await without(audit)
    link.mend()
    await back(`link cut for ${minutes} minutes`, audit)
  })

  test('the server is away', async (context) => {
    const audit = await begin(context)
    await audit.revoke()
    await audit.until(() => audit.verdict(audit.bad, 'available') === 'revoked', 'revoked')
    await audit.product.killServer()
    await without(audit)
    await audit.product.startServer()
    await back(`server away for ${minutes} minutes`, audit)
  })
})

async function begin({ onTestFinished }: TestContext, options: AuditOptions = {}): Promise<Audit> {
  const audit = await Audit.start({ ...options, verifierTtlSeconds: 1_800 })
  onTestFinished(() => audit[Symbol.asyncDispose]())
  return audit
}

async function without(audit: Audit): Promise<void> {
  await wait(minutes * 60_000)
  expect(classes.map((given) => audit.verdict(audit.good, given))).toEqual(['stale', 'stale', 'accepted, stale'])
}

async function back(fault: string, audit: Audit): Promise<void> {
  row(fault, audit, await audit.recovers())
  for (const given of classes) {
    for (const how of ['check', 'connection']) {
      const times = audit.acceptances.filter((one) => one.peer === 'good' && one.class === given && one.how === how).map(({ atMs }) => atMs)
      const gapMs = Math.max(...times.map((atMs, at) => atMs - (times[at - 1] ?? atMs)))
      process.stderr.write(`fault: ${fault}: under ${given} the good one was without an accepted ${how} for ${(gapMs / 1_000).toFixed(1)} s at most\n`)
      if (given === 'available') expect(gapMs).toBeLessThan(5_000) // none was lost: the auditor writes ten times a second, on a machine that does other things too
      else expect(gapMs).toBeGreaterThan((minutes - 1) * 60_000)
    }
  }
  expect(audit.broken).toEqual([])
}
