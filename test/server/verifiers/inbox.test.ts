import { expect, test } from 'vitest'
import { Inbox, type Waiting } from '../../../server/verifiers/inbox.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'

const [one, two, three] = ['one', 'two', 'three'].map((name) => parseSpiffeId(`spiffe://example.org/spire/agent/join_token/${name}`)) as [ReturnType<typeof parseSpiffeId>, ReturnType<typeof parseSpiffeId>, ReturnType<typeof parseSpiffeId>] // three names, three IDs

function report(seed: number, more: { readonly bytes?: number; readonly mark?: number } = {}): { readonly body: Uint8Array; readonly signature: Uint8Array } {
  const body = new Uint8Array(more.bytes ?? 20).fill(more.mark ?? 0, 18)
  body.set([seed >> 8, seed & 255], 2)
  return { body, signature: new Uint8Array(64) }
}

const instance = (seed: number): string => toHex(report(seed).body.subarray(2, 18))

function all(inbox: Inbox): readonly Waiting[] {
  const found: Waiting[] = []
  for (let next = inbox.next(); next !== undefined; next = inbox.next()) found.push(next)
  return found
}

test('agents take turns, and one that brings much holds up itself alone', () => {
  const inbox = new Inbox()
  for (let seed = 0; seed < 4_000; seed++) inbox.receipt({ agentId: one, wire: report(seed), arrivedBootMs: 0 })
  inbox.receipt({ agentId: two, wire: report(1), arrivedBootMs: 0 })
  inbox.uses({ agentId: three, wire: report(1), arrivedBootMs: 0 })
  expect([inbox.next(), inbox.next(), inbox.next(), inbox.next()].map((next) => next?.arrived.agentId)).toEqual([one, two, three, one])
})

test('what one agent may have waiting is bounded, and leaves room for others', () => {
  const inbox = new Inbox()
  for (let seed = 0; seed < 11_000; seed++) {
    inbox.register({ agentId: one, wire: { ...report(seed), svidChain: [] }, arrivedBootMs: 0 })
    inbox.receipt({ agentId: one, wire: report(seed), arrivedBootMs: 0 })
    inbox.uses({ agentId: one, wire: report(seed), arrivedBootMs: 0 })
  }
  expect(inbox.size).toBe(20_500)
  inbox.receipt({ agentId: two, wire: report(1), arrivedBootMs: 0 })
  expect(inbox.size).toBe(20_501)
  expect(all(inbox)).toHaveLength(20_501)
  expect(inbox.size).toBe(0)
})

test('the chains of one agent that wait are bounded by their bytes, and make room when they are taken', () => {
  const inbox = new Inbox()
  const svidChain = [new Uint8Array(16_000)]
  const register = (seed: number): void => inbox.register({ agentId: one, wire: { ...report(seed), svidChain }, arrivedBootMs: 0 })
  for (let seed = 0; seed < 3_000; seed++) register(seed)
  const most = Math.floor((32 * 1024 * 1024) / 16_000)
  expect(inbox.size).toBe(most)
  register(0) // the same again takes no more room
  expect(inbox.size).toBe(most)
  inbox.next()
  inbox.forget(instance(5), one)
  for (let seed = 3_000; seed < 3_010; seed++) register(seed)
  expect(inbox.size).toBe(most)
})

test('the newest receipt of an instance takes the place of the one before; registrations come first', () => {
  const inbox = new Inbox()
  inbox.receipt({ agentId: one, wire: report(1, { mark: 1 }), arrivedBootMs: 1 })
  inbox.receipt({ agentId: one, wire: report(1, { mark: 2 }), arrivedBootMs: 2 })
  inbox.register({ agentId: one, wire: { ...report(1), svidChain: [] }, arrivedBootMs: 3 })
  expect(inbox.size).toBe(2)
  expect(all(inbox).map(({ kind, arrived }) => [kind, arrived.arrivedBootMs, arrived.wire.body.at(-1)])).toEqual([['registration', 3, 0], ['report', 2, 2]])
})

test('an agent can have only its own reports forgotten', () => {
  const inbox = new Inbox()
  inbox.receipt({ agentId: one, wire: report(1), arrivedBootMs: 0 })
  inbox.forget(instance(1), two)
  expect(inbox.size).toBe(1)
  inbox.forget(instance(1), one)
  inbox.forget(instance(1), one)
  expect(inbox.size).toBe(0)
  expect(inbox.next()).toBeUndefined()
})

test('what is too long is passed over, and what is kept holds no message', () => {
  const inbox = new Inbox()
  inbox.receipt({ agentId: one, wire: report(1, { bytes: 20_001 }), arrivedBootMs: 0 })
  inbox.uses({ agentId: one, wire: { ...report(1), signature: new Uint8Array(1_025) }, arrivedBootMs: 0 })
  inbox.register({ agentId: one, wire: { ...report(1), svidChain: [new Uint8Array(9_000), new Uint8Array(9_000)] }, arrivedBootMs: 0 })
  expect(inbox.size).toBe(0)
  const message = new Uint8Array(100_000)
  inbox.receipt({ agentId: one, wire: { body: message.subarray(10, 30), signature: message.subarray(30, 94) }, arrivedBootMs: 0 })
  const [kept] = all(inbox)
  expect([kept?.arrived.wire.body.buffer.byteLength, kept?.arrived.wire.signature.buffer.byteLength]).toEqual([20, 64])
})
