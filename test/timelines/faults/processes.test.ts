import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, type TestContext } from 'vitest'
import { Audit, wait, type AuditOptions } from '../../support/faults/audit.ts'
import { TestClock } from '../../support/faults/clock.ts'
import { mint } from '../../support/product/mint.ts'
import { row } from '../../support/faults/row.ts'

async function begin({ onTestFinished }: TestContext, options: AuditOptions = {}): Promise<Audit> {
  const audit = await Audit.start(options)
  onTestFinished(() => audit[Symbol.asyncDispose]())
  return audit
}

function clock({ onTestFinished }: TestContext): TestClock {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return new TestClock(join(folder, 'clock'))
}

describe.concurrent('a process is killed', () => {
  test('the verifier, with the revocation made while it was away: it never accepts what was revoked, and is itself again when it is back', async (context) => {
    const audit = await begin(context)
    await audit.verifier.kill()
    await audit.revoke()
    await wait(500)
    audit.startVerifier()
    row('verifier killed', audit, await audit.recovers())
    expect(audit.lastAccepted(audit.bad, 'available')).toBeLessThan(0)
    expect(audit.broken).toEqual([])
  })

  test('the agent, which is the relay: its verifiers age, then refuse by class, and are fresh again when it is back', async (context) => {
    const audit = await begin(context)
    await audit.agent.kill()
    await audit.revoke()
    await audit.until(() => audit.verdict(audit.good, 'strict') === 'stale', 'stale under strict')
    expect([audit.verdict(audit.good, 'standard'), audit.verdict(audit.good, 'available')]).toEqual(['accepted', 'accepted'])
    await audit.agent.start()
    row('agent killed until strict is stale', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })

  test('the server in the middle of a batch of revocations: what it acknowledged holds, whatever became of the rest', async (context) => {
    const audit = await begin(context)
    const { product } = audit
    const others = await Promise.all(Array.from({ length: 60 }, async (_, at) => mint(product, `other-${at}`)))
    const acknowledged: string[] = []
    const batch = others.map(async (minted) => {
      await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: minted.serial }, reason: 'batch' })
      acknowledged.push(minted.serial)
    })
    await Promise.any(batch)
    const revoked = audit.revoke().catch(() => undefined) // it may be lost with the rest
    await Promise.any(batch.slice(20))
    await product.killServer()
    await Promise.allSettled([...batch, revoked])
    const wasAcknowledged = (await revoked) !== undefined
    await wait(1_000)
    await product.startServer()
    if (!wasAcknowledged) await audit.revoke()
    row('server killed in a batch', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
    expect(acknowledged.length).toBeGreaterThan(0)
    for (const serial of acknowledged) {
      const { credentials } = await product.admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial } })
      expect(credentials[0]?.state).toBe('revoked')
    }
  })

  test('the server, for some 18 s: strict refuses all after 3 s and standard after 15 s, on open connections too; available goes on with what it knew', async (context) => {
    const audit = await begin(context)
    await audit.revoke()
    await audit.until(() => audit.verdict(audit.bad, 'available') === 'revoked', 'revoked')
    await audit.product.killServer()
    await audit.until(() => audit.verdict(audit.good, 'strict') === 'stale', 'stale under strict')
    expect([audit.verdict(audit.good, 'standard'), audit.verdict(audit.good, 'available')]).toEqual(['accepted', 'accepted'])
    await audit.until(() => audit.verdict(audit.good, 'standard') === 'stale' && audit.verdict(audit.good, 'available') === 'accepted, stale', 'stale under standard')
    expect(audit.verdict(audit.good, 'strict')).toBe('stale')
    const last = (given: string): number => Math.max(...audit.acceptances.filter((one) => one.peer === 'good' && one.how === 'connection' && one.class === given).map(({ atMs }) => atMs))
    await audit.until(() => last('available') - last('standard') > 1_000, 'available goes on')
    expect(last('standard') - last('strict')).toBeGreaterThan(5_000) // twelve seconds are between their limits
    await audit.product.startServer()
    row('server away for some 18 s', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })
})

describe.concurrent('a process is suspended', () => {
  test('the verifier, for 6 s, while the revocation is made: under strict it accepts nothing when it goes on, until it has heard', async (context) => {
    const audit = await begin(context)
    const suspended = audit.suspend(6_000)
    await audit.revoke()
    await suspended
    row('verifier suspended for 6 s', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })

  test('the agent, for 6 s', async (context) => {
    const audit = await begin(context)
    audit.agent.program?.child.kill('SIGSTOP')
    await audit.revoke()
    await wait(6_000)
    audit.agent.program?.child.kill('SIGCONT')
    row('agent suspended for 6 s', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })

  test('the server, for 6 s, right after it acknowledged', async (context) => {
    const audit = await begin(context)
    await audit.revoke()
    audit.product.server.child.kill('SIGSTOP')
    await wait(6_000)
    audit.product.server.child.kill('SIGCONT')
    row('server suspended for 6 s', audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })
})

describe.concurrent('a wall clock jumps', () => {
  test.for([
    ['an hour ahead', 3_600_000, 'expired'],
    ['20 s ahead', 20_000, 'clock_skew'],
    ['20 s back', -20_000, 'clock_skew'],
  ] as const)('the verifier’s, %s, and is set right: nothing is taken for fresh by it', async ([name, offsetMs, verdict], context) => {
    const own = clock(context)
    const audit = await begin(context, { verifier: own.surroundings })
    own.set(offsetMs)
    await audit.until(() => audit.verdict(audit.good, 'strict') === verdict && audit.verdict(audit.good, 'standard') === verdict, `${verdict} by the clock`)
    await audit.revoke()
    await audit.until(() => audit.verdict(audit.bad, 'available') === (verdict === 'expired' ? verdict : 'revoked'), 'revoked')
    own.set(0)
    row(`verifier's clock ${name}`, audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })

  test.for([
    ['20 s ahead', 20_000],
    ['20 s back', -20_000],
    ['an hour ahead', 3_600_000],
  ] as const)('the server’s, %s, and is set right: what it acknowledges meanwhile is refused all the same', async ([name, offsetMs], context) => {
    const own = clock(context)
    const audit = await begin(context, { server: own.surroundings })
    own.set(offsetMs)
    await wait(1_500)
    await audit.revoke()
    await wait(5_000)
    own.set(0)
    row(`server's clock ${name}`, audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })
})
