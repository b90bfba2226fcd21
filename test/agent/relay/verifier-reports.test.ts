import { expect, test } from 'vitest'
import type { RelayedReports__Output } from '../../../proto/generated/mayfly/v1/RelayedReports.ts'
import type { ReportAnswer } from '../../../proto/generated/mayfly/v1/ReportAnswer.ts'
import type { VerifierReport__Output } from '../../../proto/generated/mayfly/v1/VerifierReport.ts'
import { VerifierReports } from '../../../agent/relay/verifier-reports.ts'
import { encodeReport, type Report } from '../../../src/core/revocation/reports.ts'
import { settle } from '../../support/fake-clock.ts'

function wire(report: Report, svidChain: readonly Buffer[] = [Buffer.of(1)]): VerifierReport__Output {
  const signed = { body: Buffer.from(encodeReport(report)), signature: Buffer.of(9) }
  const none = { registration: null, receipt: null, uses: null, refusals: null }
  switch (report.kind) {
    case 'registration':
      return { ...none, registration: { ...signed, svidChain: [...svidChain] }, report: 'registration' }
    case 'receipt':
      return { ...none, receipt: signed, report: 'receipt' }
    case 'uses':
      return { ...none, uses: signed, report: 'uses' }
    case 'refusals':
      return { ...none, refusals: signed }
    default:
      return report satisfies never
  }
}

const head = (seed: number, number: number) => ({ instance: new Uint8Array(16).fill(seed), number })
const registration = (seed: number, number = 1): VerifierReport__Output => wire({ kind: 'registration', ...head(seed, number), class: 'strict', software: 's' })
const receipt = (seed: number, number: number, seq = number): VerifierReport__Output => wire({ kind: 'receipt', ...head(seed, number), epoch: 1, seq, floorMinute: 0, heldMs: 0, root: new Uint8Array(32) })
const uses = (seed: number, number: number): VerifierReport__Output => wire({ kind: 'uses', ...head(seed, number), uses: [{ serial: new Uint8Array(17), firstMs: 1, lastMs: 1, count: 1 }] })

/** One verifier's call. */
function call(reports: VerifierReports): { readonly say: (report: VerifierReport__Output) => Promise<void>; readonly leave: () => Promise<void>; readonly ended: Promise<unknown>; readonly told: readonly ReportAnswer[] } {
  const told: ReportAnswer[] = []
  const queue: VerifierReport__Output[] = []
  let wake = (): void => undefined
  let isOver = false
  async function* requests(): AsyncGenerator<VerifierReport__Output> {
    while (!isOver) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next
      if (!isOver) await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  const ended = reports.take(requests(), (answer) => told.push(answer)).then(() => 'left', (error: unknown) => error)
  return {
    ended,
    told,
    say: async (report) => {
      queue.push(report)
      wake()
      await settle()
    },
    leave: async () => {
      isOver = true
      wake()
      await ended
    },
  }
}

test('what verifiers report goes on as it came, the newest receipt of each alone', async () => {
  const reports = new VerifierReports()
  expect(reports.next()).toMatchObject({ registrations: [], unregistered: 0 })
  expect(reports.next()).toBeUndefined()
  const [one, two] = [call(reports), call(reports)]
  await one.say(registration(1))
  await two.say(registration(2))
  for (let number = 2; number < 6; number++) await one.say(receipt(1, number))
  await one.say(uses(1, 6))
  const next = reports.next()
  expect(next?.registrations).toHaveLength(2)
  expect(next?.receipts).toEqual([receipt(1, 5).receipt])
  expect(next?.uses).toHaveLength(1)
  expect(reports.next()).toBeUndefined()
})

test('a verifier that comes again, over another call, before its leaving was told is registered, and has not left', async () => {
  const reports = new VerifierReports()
  const first = call(reports)
  await first.say(registration(1))
  reports.next()
  await first.leave()
  const second = call(reports)
  await second.say(registration(1, 2))
  expect(reports.next()).toMatchObject({ registrations: [{ body: registration(1, 2).registration?.body }], left: [] })
  await second.leave()
  expect(reports.next()).toMatchObject({ registrations: [], left: [Buffer.alloc(16, 1)] })
})

test('over a new connection the server is told everything anew, and who left while it was away', async () => {
  const reports = new VerifierReports()
  const [one, two] = [call(reports), call(reports)]
  await one.say(registration(1))
  await two.say(registration(2))
  await one.say(receipt(1, 2))
  reports.next()
  await two.leave()
  reports.reconnected()
  expect(reports.next()).toMatchObject({ registrations: [registration(1).registration], receipts: [receipt(1, 2).receipt], left: [Buffer.alloc(16, 2)] })
})

test('a receipt waits for the registration of its new SVID', async () => {
  const reports = new VerifierReports()
  const one = call(reports)
  await one.say(registration(1))
  await one.say(receipt(1, 2))
  await one.say(registration(1, 3))
  const next = reports.next()
  expect([next?.registrations?.length, next?.receipts?.length]).toEqual([1, 0])
})

test('readers without a registration are counted', async () => {
  const reports = new VerifierReports()
  const one = call(reports)
  reports.readers = 3
  await one.say(registration(1))
  expect(reports.next()?.unregistered).toBe(2)
  reports.readers = 1
  expect(reports.next()?.unregistered).toBe(0)
})

test.each([
  ['a receipt before the registration', [receipt(1, 2)]],
  ['a report of another instance', [registration(1), receipt(2, 2)]],
  ['a body of another kind', [registration(1), { ...receipt(1, 2), receipt: registration(1, 3).registration }]],
  ['garbage', [{ registration: { body: Buffer.alloc(5), signature: Buffer.alloc(0), svidChain: [] }, receipt: null, uses: null, report: 'registration' as const }]],
  ['nothing at all', [{ registration: null, receipt: null, uses: null }]],
  ['a chain that is too long', [wire({ kind: 'registration', ...head(1, 1), class: 'strict', software: 's' }, [Buffer.alloc(20_000)])]],
] as const)('%s ends the call', async (_name, said) => {
  const reports = new VerifierReports()
  const one = call(reports)
  for (const report of said) await one.say(report as VerifierReport__Output) // as const made it readonly
  expect(await one.ended).toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(reports.size).toBe(0)
})

test('refusals go on beside the receipt that brought them, to be told the server, and a relay’s as its verifiers’', async () => {
  const reports = new VerifierReports()
  const { refusals } = wire({ kind: 'refusals', ...head(1, 3), refusals: [{ serial: new Uint8Array(17), firstMs: 1, lastMs: 1, count: 1 }] })
  const one = call(reports)
  await one.say(registration(1))
  await one.say({ ...receipt(1, 2), refusals: refusals ?? null })
  const next = reports.next()
  expect(next).toMatchObject({ receipts: [receipt(1, 2).receipt], refusals: [refusals] })
  const above = new VerifierReports()
  async function* fromRelay(): AsyncGenerator<RelayedReports__Output> {
    yield { registrations: [], receipts: [], uses: [], refusals: [], left: [], unregistered: 0, ...next } as RelayedReports__Output // what it would be after the wire
  }
  const taken: unknown[] = []
  const relay = above.takeRelayed(fromRelay(), () => undefined)
  await settle()
  taken.push(above.next())
  await relay
  expect(taken).toMatchObject([{ refusals: [refusals] }])
  await one.say({ ...receipt(1, 4), refusals: { body: Buffer.from(receipt(1, 5).receipt?.body ?? []), signature: Buffer.of(9) } })
  expect(await one.ended).toMatchObject({ code: 'INVALID_ARGUMENT', message: 'a report (refusals) that cannot be read' })
})

test('uses that wait are bounded', async () => {
  const reports = new VerifierReports()
  const one = call(reports)
  await one.say(registration(1))
  for (let number = 2; number < 260; number++) await one.say(uses(1, number))
  let count = 0
  for (let next = reports.next(); next !== undefined; next = reports.next()) count += next.uses?.length ?? 0
  expect(count).toBe(200)
})

test('who copied the name of a verifier and leaves does not end it', async () => {
  const reports = new VerifierReports()
  const [own, copy] = [call(reports), call(reports)]
  await own.say(registration(1))
  await copy.say(registration(1))
  reports.next()
  await copy.leave()
  expect(reports.next()?.left).toEqual([])
  await own.leave()
  expect(reports.next()?.left).toEqual([Buffer.alloc(16, 1)])
})

test('whose registration the server refuses is told so, here or through the relay that brought it, and nobody else', async () => {
  const reports = new VerifierReports()
  const [own, other] = [call(reports), call(reports)]
  await own.say(registration(1))
  await other.say(registration(2))
  const relayed: ReportAnswer[] = []
  const { registration: third } = registration(3)
  async function* fromRelay(): AsyncGenerator<RelayedReports__Output> {
    yield { registrations: third === null || third === undefined ? [] : [third], receipts: [], uses: [], refusals: [], left: [], unregistered: 0 }
    await other.ended
  }
  const relay = reports.takeRelayed(fromRelay(), (answer) => relayed.push(answer))
  await settle()
  reports.refused(new Uint8Array(16).fill(1), 'its SVID is revoked')
  reports.refused(new Uint8Array(16).fill(3), 'there are too many verifiers')
  reports.refused(new Uint8Array(16).fill(9), 'nobody')
  expect(own.told).toEqual([{ refused: 'its SVID is revoked', instance: Buffer.alloc(16, 1) }])
  expect(other.told).toEqual([])
  expect(relayed).toEqual([{ refused: 'there are too many verifiers', instance: Buffer.alloc(16, 3) }])
  await own.leave()
  await other.leave()
  await relay
})
