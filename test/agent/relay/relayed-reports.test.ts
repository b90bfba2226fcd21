import { expect, test } from 'vitest'
import type { RelayedReports, RelayedReports__Output } from '../../../proto/generated/mayfly/v1/RelayedReports.ts'
import { VerifierReports } from '../../../agent/relay/verifier-reports.ts'
import { encodeReport } from '../../../src/core/revocation/reports.ts'
import { settle } from '../../support/fake-clock.ts'

const silent = (): void => undefined
const instance = (seed: number): Buffer => {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt32BE(seed)
  return bytes
}
const sealed = (body: Uint8Array): { body: Buffer; signature: Buffer } => ({ body: Buffer.from(body), signature: Buffer.alloc(72, 9) })
const registration = (seed: number, number = 1) => ({ ...sealed(encodeReport({ kind: 'registration', instance: instance(seed), number, class: 'strict', software: 's' })), svidChain: [Buffer.alloc(900, 1)] })
const receipt = (seed: number, number: number) => sealed(encodeReport({ kind: 'receipt', instance: instance(seed), number, epoch: 1, seq: number, floorMinute: 0, heldMs: 0, root: new Uint8Array(32) }))
const uses = (seed: number, number: number) => sealed(encodeReport({ kind: 'uses', instance: instance(seed), number, uses: [{ serial: new Uint8Array(17), firstMs: 1, lastMs: 1, count: 1 }] }))
const message = (parts: Partial<RelayedReports__Output>): RelayedReports__Output => ({ registrations: [], receipts: [], uses: [], refusals: [], left: [], unregistered: 0, ...parts })

/** A relay's call. */
function relay(reports: VerifierReports): { readonly say: (parts: Partial<RelayedReports__Output>) => Promise<void>; readonly leave: () => Promise<unknown>; readonly ended: Promise<unknown> } {
  const queue: RelayedReports__Output[] = []
  let wake = (): void => undefined
  let isOver = false
  async function* messages(): AsyncGenerator<RelayedReports__Output> {
    while (!isOver || queue.length > 0) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next
      if (!isOver) await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  const ended = reports.takeRelayed(messages(), silent).then(() => 'left', (error: unknown) => error)
  return {
    ended,
    say: async (parts) => {
      queue.push(message(parts))
      wake()
      await settle()
    },
    leave: async () => {
      isOver = true
      wake()
      return await ended
    },
  }
}

/** All that has not gone on, in messages of at most so many bytes. */
function drain(reports: VerifierReports, maxBytes?: number): readonly RelayedReports[] {
  const all: RelayedReports[] = []
  for (let next = reports.next(maxBytes); next !== undefined; next = reports.next(maxBytes)) all.push(next)
  return all
}

test('reports of a relay below go on as they came, the newest receipt of each alone, and again over a new connection', async () => {
  const reports = new VerifierReports()
  reports.readers = 1 // the relay itself
  const below = relay(reports)
  await below.say({ registrations: [registration(1), registration(2)], unregistered: 3 })
  await below.say({ receipts: [receipt(1, 2), receipt(2, 2)], unregistered: 3 })
  await below.say({ receipts: [receipt(1, 3)], uses: [uses(1, 4)], unregistered: 3 })
  expect(reports.size).toBe(2)
  const [first, ...more] = drain(reports)
  expect(first).toMatchObject({ registrations: [registration(1), registration(2)], receipts: [receipt(1, 3), receipt(2, 2)], uses: [uses(1, 4)], left: [], unregistered: 3 })
  expect(more).toEqual([])
  reports.reconnected()
  expect(drain(reports)[0]).toMatchObject({ registrations: [registration(1), registration(2)], receipts: [receipt(1, 3), receipt(2, 2)], uses: [], unregistered: 3 })
  expect(await below.leave()).toBe('left')
  expect(drain(reports)).toMatchObject([{ left: [instance(1), instance(2)], unregistered: 1 }])
})

test('one that moves from one relay to another has not left', async () => {
  const reports = new VerifierReports()
  const [one, two] = [relay(reports), relay(reports)]
  await one.say({ registrations: [registration(1)] })
  await two.say({ registrations: [registration(1, 5)] })
  drain(reports)
  await one.say({ left: [instance(1)] })
  expect(drain(reports).flatMap(({ left }) => left)).toEqual([])
  await two.say({ left: [instance(1)] })
  expect(drain(reports).flatMap(({ left }) => left)).toEqual([instance(1)])
})

test('a receipt or a leaving of one that did not register there is passed over', async () => {
  const reports = new VerifierReports()
  const below = relay(reports)
  await below.say({ receipts: [receipt(7, 1)], uses: [uses(7, 1)], left: [instance(7)] })
  expect(drain(reports)).toEqual([{ registrations: [], receipts: [], uses: [], refusals: [], left: [], unregistered: 0 }]) // the count, once
})

test('what cannot be read, and more than may be kept, ends the call of that relay alone', async () => {
  const reports = new VerifierReports()
  const [bad, good] = [relay(reports), relay(reports)]
  await good.say({ registrations: [registration(1)] })
  await bad.say({ registrations: [{ ...registration(2), body: Buffer.alloc(40, 7) }] })
  expect(await bad.ended).toMatchObject({ code: 'INVALID_ARGUMENT' })
  const crowd = relay(reports)
  await crowd.say({ registrations: Array.from({ length: 20_001 }, (_, seed) => registration(10 + seed)) })
  expect(await crowd.ended).toMatchObject({ code: 'LIMIT_EXCEEDED' })
  expect(reports.size).toBe(1)
})

test('ten thousand verifiers go up in messages that a socket of the Workload API takes, each report once', async () => {
  const reports = new VerifierReports()
  const below = relay(reports)
  const seeds = Array.from({ length: 10_000 }, (_, seed) => seed)
  await below.say({ registrations: seeds.map((seed) => registration(seed)), receipts: seeds.map((seed) => receipt(seed, 2)), uses: seeds.slice(0, 150).map((seed) => uses(seed, 3)) })
  const messages = drain(reports, 48_000)
  const bytesOf = ({ body, signature, svidChain = [] }: { body?: unknown; signature?: unknown; svidChain?: readonly unknown[] }): number => [body, signature, ...svidChain].reduce((sum: number, part) => sum + (part instanceof Uint8Array ? part.length + 4 : 0), 8)
  for (const { registrations = [], receipts = [], uses: all = [] } of messages) expect([...registrations, ...receipts, ...all].reduce((sum, report) => sum + bytesOf(report), 0)).toBeLessThan(60_000)
  expect(messages.flatMap(({ registrations = [] }) => registrations)).toHaveLength(10_000)
  expect(messages.flatMap(({ receipts = [] }) => receipts)).toHaveLength(10_000)
  expect(messages.flatMap(({ uses: all = [] }) => all)).toHaveLength(150)
  await below.leave()
  const gone = drain(reports, 48_000)
  expect(gone.flatMap(({ left = [] }) => left)).toHaveLength(10_000)
  for (const { left = [] } of gone) expect(left.length * 18).toBeLessThan(60_000)
})
