import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { requestGrant, withGrant, X509Source } from '../../src/client/index.ts'
import type { GrantWish, TaskGrant } from '../../src/client/index.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { TestGrants } from '../support/agent/test-grants.ts'

const wish: GrantWish = { as: 'spiffe://test.example/job', do: ['write', 'forbidden'], on: ['db:orders'], reason: 'migration 42' }

let agent: TestGrants
let endpoint: string

beforeEach(async () => {
  agent = await TestGrants.start({ tier: 'pidfd' })
  endpoint = `unix://${agent.socket}`
})

afterEach(async () => {
  await agent[Symbol.asyncDispose]()
})

/** Resolves with what the grant's signal says once it aborts. */
async function over({ signal }: TaskGrant): Promise<unknown> {
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  return signal.reason
}

describe('requestGrant', () => {
  test('asks for what the wish says, and resolves once the grant is active with a socket of its own', async () => {
    await using grant = await requestGrant({ ...wish, workspace: { environment: 'staging' }, ticket: 'CHG-7', budget: { seconds: 60 } }, { endpoint })
    expect(agent.server.asked[0]?.request).toMatchObject({
      spiffeId: 'spiffe://test.example/job',
      intent: { actions: ['write', 'forbidden'], resources: ['db:orders'], reason: 'migration 42', ticket: 'CHG-7', workspace: { environment: 'staging' } },
      budget: { seconds: 60 },
      binding: 'process',
    })
    expect(grant.spiffeId).toBe(`spiffe://test.example/job/task/${grant.id}`)
    expect(agent.server.grants.get(grant.id)).toMatchObject({ state: 'active', deadlineMs: grant.deadlineMs })
    await using source = await X509Source.start({ endpoint: grant.endpoint })
    expect(source.current().id).toBe(grant.spiffeId)
    expect(grant.signal.aborted).toBe(false)
  })

  test('a request that policy denies is GRANT_DENIED and names the control', async () => {
    agent.server.asks = 'pending_approval'
    const decision = { at: 'request', allowed: false, reasons: ['ticket-in-production'], policyHash: 'h1', facts: '', atMs: 0, grantId: '' }
    const asked = requestGrant(wish, { endpoint, onWaiting: ({ grantId }) => agent.server.move(grantId, { state: 'denied', decision }) })
    await expect(asked).rejects.toMatchObject({ code: 'GRANT_DENIED', message: 'the grant was denied: ticket-in-production', hint: expect.stringContaining('mayfly policy explain') })
    expect(agent.folders).toEqual([])
  })

  test('while it waits for people it says how they approve, and goes on when they have', async () => {
    agent.server.asks = 'pending_approval'
    const waits: string[] = []
    await using grant = await requestGrant(wish, {
      endpoint,
      onWaiting: ({ grantId, howToApprove }) => {
        waits.push(howToApprove)
        agent.server.move(grantId, { state: 'approved' })
      },
    })
    expect(waits).toEqual([expect.stringContaining(grant.id)])
  })

  test('a request that nobody approves in time is GRANT_LAPSED', async () => {
    agent.server.asks = 'pending_approval'
    await expect(requestGrant(wish, { endpoint, onWaiting: ({ grantId }) => agent.server.move(grantId, { state: 'lapsed' }) })).rejects.toMatchObject({ code: 'GRANT_LAPSED' })
  })

  test('the signal gives up a request that waits, and the agent withdraws it', async () => {
    agent.server.asks = 'pending_approval'
    const giveUp = new AbortController()
    await expect(requestGrant(wish, { endpoint, signal: giveUp.signal, onWaiting: () => giveUp.abort() })).rejects.toThrow()
    await agent.server.until(() => agent.server.ends.length > 0)
    expect(agent.server.ends[0]).toMatchObject({ cause: 'withdrawn' })
  })

  test('an agent that is told nowhere, or over TCP, is ENDPOINT_INVALID', async () => {
    await expect(requestGrant(wish, {}, { env: {} })).rejects.toMatchObject({ code: 'ENDPOINT_INVALID', hint: expect.stringContaining('SPIFFE_ENDPOINT_SOCKET') })
    await expect(requestGrant(wish, { endpoint: 'tcp://127.0.0.1:8081' })).rejects.toMatchObject({ code: 'ENDPOINT_INVALID' })
  })
})

describe('withGrant', () => {
  test('work that resolves completes the grant, with what it says of the outcome; its result is the result', async () => {
    expect(await withGrant(wish, async (grant) => (await grant.step('write', 'db:orders')).allowed, { endpoint })).toBe(true)
    await withGrant(wish, async (grant) => await grant.complete('column added'), { endpoint })
    expect(agent.server.ends).toMatchObject([{ cause: 'completed', outcome: '' }, { cause: 'completed', outcome: 'column added' }])
  })

  test('work that throws fails it, says why, and throws what it threw', async () => {
    const broken = new Error('no such table')
    await expect(withGrant(wish, async () => Promise.reject(broken), { endpoint })).rejects.toBe(broken)
    expect(agent.server.ends).toMatchObject([{ cause: 'failed', detail: 'no such table' }])
  })
})

describe('a grant of this process', () => {
  test('a step is allowed or denied with the names of the controls; a denial is an answer', async () => {
    await using grant = await requestGrant(wish, { endpoint })
    expect(await grant.step('write', 'db:orders', { description: 'add column' })).toMatchObject({ allowed: true, reasons: ['permit-all'], stepsLeft: 9 })
    expect(await grant.step('forbidden', 'db:orders')).toMatchObject({ allowed: false, reasons: ['no-forbidden'] })
    expect(await grant.step('write', 'db:payments')).toMatchObject({ allowed: false, reasons: ['outside-intent'], hint: expect.any(String) })
  })

  test('its signal aborts when somebody else ends it, and says what did; no step is asked for after', async () => {
    await using grant = await requestGrant(wish, { endpoint })
    agent.server.move(grant.id, { state: 'ended', cause: 'operator', detail: 'wrong cluster' })
    const reason = await over(grant)
    expect(reason).toMatchObject({ code: 'GRANT_ENDED', message: 'the grant has ended: operator (wrong cluster)' })
    await expect(grant.step('write', 'db:orders')).rejects.toBe(reason)
    await expect.poll(() => agent.folders).toEqual([])
  })

  test('a step that finds it ended has aborted its signal by then', async () => {
    await using grant = await requestGrant(wish, { endpoint })
    agent.server.move(grant.id, { state: 'ended', cause: 'operator', detail: 'wrong cluster' })
    await expect(grant.step('write', 'db:orders')).rejects.toMatchObject({ code: 'GRANT_ENDED', message: 'the grant has ended: operator (wrong cluster)' })
    expect(grant.signal.reason).toMatchObject({ code: 'GRANT_ENDED', message: 'the grant has ended: operator (wrong cluster)' })
  })

  test('leaving its scope completes it', async () => {
    let signal: AbortSignal
    {
      await using grant = await requestGrant(wish, { endpoint })
      signal = grant.signal
    }
    expect(signal.aborted).toBe(true)
    expect(agent.server.ends).toMatchObject([{ cause: 'completed' }])
    await expect.poll(() => agent.folders).toEqual([]) // the socket goes after the answer that it carries
  })

  test('complete tells the outcome, fail what went wrong; each ends it once', async () => {
    const done = await requestGrant(wish, { endpoint })
    await done.complete('column added')
    await done.complete('again')
    await done[Symbol.asyncDispose]()
    const failed = await requestGrant(wish, { endpoint })
    await failed.fail('no such table')
    await failed[Symbol.asyncDispose]()
    expect(agent.server.ends).toMatchObject([
      { grantId: done.id, cause: 'completed', outcome: 'column added' },
      { grantId: failed.id, cause: 'failed', detail: 'no such table' },
    ])
  })

  test('the signal of the options ends it as failed, and says why', async () => {
    const stop = new AbortController()
    const grant = await requestGrant(wish, { endpoint, signal: stop.signal })
    stop.abort(new Error('shutting down'))
    expect(await over(grant)).toBeInstanceOf(MayflyError)
    await agent.server.until(() => agent.server.ends.length > 0)
    expect(agent.server.ends[0]).toMatchObject({ grantId: grant.id, cause: 'failed', detail: expect.stringContaining('shutting down') })
  })

  test('an agent that goes away aborts it', async () => {
    const grant = await requestGrant(wish, { endpoint })
    await agent[Symbol.asyncDispose]()
    expect(await over(grant)).toMatchObject({ code: 'GRANT_ENDED' })
  })
})
