import { afterEach, beforeEach, expect, test } from 'vitest'
import { decodeReport, signedReportBytes, type Report } from '../../src/core/revocation/reports.ts'
import { VerifierReporter, type ReportingIdentity, type SignedReport, type VerifierState } from '../../src/verify/reporter.ts'
import { UseCounter } from '../../src/verify/use-counter.ts'
import { KeptLog, SeededRandom } from '../support/agent/quiet.ts'
import { FakeClock, settle } from '../support/fake-clock.ts'

let clock: FakeClock
let log: KeptLog
let sent: SignedReport[]
let refusals: string[]
let identity: ReportingIdentity | undefined
let state: VerifierState | undefined
let isBroken: boolean
let looks: number
let reporter: VerifierReporter

function identityOf(name: number): ReportingIdentity {
  return { chain: [Uint8Array.of(name)], sign: (bytes) => Uint8Array.of(name, ...bytes.subarray(0, 10)) }
}

function stateAt(seq: number): VerifierState {
  return { position: { epoch: 5, seq, chainHash: new Uint8Array(32) }, floorMinute: 1, root: new Uint8Array(32) }
}

beforeEach(() => {
  clock = new FakeClock()
  log = new KeptLog()
  sent = []
  refusals = []
  identity = identityOf(1)
  state = stateAt(3)
  isBroken = false
  looks = 0
})

afterEach(async () => {
  await reporter[Symbol.asyncDispose]()
  expect(clock.sleeping).toBe(0)
})

async function start(): Promise<void> {
  reporter = VerifierReporter.start(
    { class: 'strict', software: 'test 1' },
    {
      clock,
      random: new SeededRandom(),
      logger: log,
      identity: () => {
        looks++
        return identity
      },
      state: () => state,
      async *open(reports) {
        yield* refusals
        for await (const report of reports) {
          if (isBroken) throw new Error('away')
          sent.push(report)
        }
      },
    },
  )
  await settle()
}

const decoded = (): (Report | undefined)[] => sent.map(({ body }) => decodeReport(body))
const kinds = (): string[] => sent.map(({ kind }) => kind)

test('registers, then sends a receipt at once, and one each thirty seconds', async () => {
  await start()
  expect(decoded()).toMatchObject([{ kind: 'registration', class: 'strict', software: 'test 1' }, { kind: 'receipt', epoch: 5, seq: 3 }])
  expect(sent[0]?.svidChain).toEqual([Uint8Array.of(1)])
  expect(sent[1]?.signature).toEqual(Uint8Array.of(1, ...signedReportBytes(sent[1]?.body ?? new Uint8Array(0)).subarray(0, 10)))
  await clock.advance(29_000)
  expect(sent).toHaveLength(2)
  await clock.advance(2_000)
  expect(kinds()).toEqual(['registration', 'receipt', 'receipt'])
})

test('a receipt goes within a quarter of a second when the state moved, says how long it was held, and at most four go a second', async () => {
  await start()
  await clock.advance(1_000)
  state = stateAt(4)
  reporter.moved()
  await clock.advance(50)
  expect(decoded().at(-1)).toMatchObject({ seq: 3 })
  await clock.advance(200)
  const first = decoded().at(-1)
  expect(first).toMatchObject({ seq: 4 })
  const heldMs = first?.kind === 'receipt' ? first.heldMs : 0
  expect(heldMs).toBeGreaterThanOrEqual(50)
  expect(heldMs).toBeLessThanOrEqual(250)
  for (let seq = 5; seq < 104; seq++) {
    state = stateAt(seq)
    reporter.moved()
    await clock.advance(10)
  }
  await clock.advance(250)
  expect(decoded().at(-1)).toMatchObject({ seq: 103 })
  expect(sent.length).toBeLessThanOrEqual(2 + 6)
})

test('registers again with each new SVID, and its numbers rise', async () => {
  await start()
  identity = identityOf(2)
  reporter.identityChanged()
  await settle()
  expect(kinds()).toEqual(['registration', 'receipt', 'registration', 'receipt'])
  expect(sent[3]?.signature[0]).toBe(2)
  const numbers = decoded().map((report) => report?.number ?? 0)
  expect(numbers).toEqual(numbers.toSorted((left, right) => left - right))
  expect(new Set(numbers).size).toBe(numbers.length)
})

test('without an SVID it registers unsigned, and sends nothing else until it has one', async () => {
  identity = undefined
  await start()
  await clock.advance(60_000)
  expect(sent).toMatchObject([{ kind: 'registration', signature: new Uint8Array(0), svidChain: [] }])
  identity = identityOf(1)
  reporter.identityChanged()
  await settle()
  expect(kinds()).toEqual(['registration', 'registration', 'receipt'])
})

test('says nothing of its state before it has one', async () => {
  state = undefined
  await start()
  await clock.advance(2_000)
  expect(kinds()).toEqual(['registration'])
  state = stateAt(1)
  reporter.moved()
  await clock.advance(250)
  expect(kinds()).toEqual(['registration', 'receipt'])
})

test('uses are added up and sent each ten seconds', async () => {
  await start()
  const serial = new Uint8Array(17).fill(3)
  reporter.used(serial)
  await clock.advance(1_000)
  reporter.used(serial)
  reporter.used(new Uint8Array(16))
  await clock.advance(9_500)
  expect(decoded().at(-1)).toMatchObject({ kind: 'uses', uses: [{ serial, count: 2 }] })
  const before = sent.length
  await clock.advance(10_000)
  expect(sent).toHaveLength(before)
})

test('refusals are added up and go along with a receipt, within ten seconds though nothing moved', async () => {
  await start()
  const serial = new Uint8Array(17).fill(4)
  await clock.advance(12_000)
  reporter.refused(serial)
  reporter.refused(serial)
  reporter.refused(new Uint8Array(16))
  await clock.advance(10_000)
  const last = sent.at(-1)
  expect(decoded().at(-1)).toMatchObject({ kind: 'receipt', seq: 3 })
  const refused = decodeReport(last?.refusals?.body ?? new Uint8Array(0))
  expect(refused).toMatchObject({ kind: 'refusals', refusals: [{ serial, count: 2 }] })
  expect(refused?.number).toBeGreaterThan(decoded().at(-1)?.number ?? 0)
  expect(last?.refusals?.signature).toEqual(identityOf(1).sign(signedReportBytes(last?.refusals?.body ?? new Uint8Array(0))))
  await clock.advance(31_000)
  expect(sent.at(-1)).not.toBe(last)
  expect(sent.at(-1)?.refusals).toBeUndefined()
})

test('a verifier without an SVID waits without turning', async () => {
  identity = undefined
  await start()
  await clock.advance(20_000)
  expect(looks).toBeLessThan(200)
})

test('when reports cannot be sent it tries again, later each time, and begins with its registration', async () => {
  await start()
  isBroken = true
  reporter.moved()
  await clock.advance(20_000)
  expect(log.facts.filter(({ event }) => event === 'verifier.unreported').length).toBeLessThan(8)
  isBroken = false
  sent = []
  await clock.advance(40_000)
  expect(kinds().slice(0, 2)).toEqual(['registration', 'receipt'])
})

test('another source that took over is reported to within a second, however often the one before failed', async () => {
  isBroken = true
  await start()
  await clock.advance(60_000) // by now half a minute is between two tries
  isBroken = false
  reporter.sourceChanged()
  await clock.advance(1_000)
  expect(kinds()).toEqual(['registration', 'receipt'])
})

test('a refusal is logged', async () => {
  refusals = ['', 'your SVID is not ours']
  await start()
  expect(log.facts).toMatchObject([{ event: 'verifier.refused', why: 'your SVID is not ours' }])
})

test('counts of uses are bounded: the oldest go first', () => {
  const counter = new UseCounter()
  for (let at = 0; at < 10_001; at++) counter.add(Uint8Array.from({ length: 17 }, (_, index) => (index === 0 ? at >> 8 : index === 1 ? at & 255 : 0)), 5)
  expect(counter.size).toBe(10_000)
  expect(counter.take(1)[0]?.serial.subarray(0, 2)).toEqual(Uint8Array.of(0, 1))
  expect(counter.size).toBe(9_999)
})

test('a connection that broke while nothing was to be sent takes no receipt from the one after it, and does not keep that asleep', async () => {
  const calls: SignedReport[][] = []
  let breakOff: () => void = () => undefined
  reporter = VerifierReporter.start(
    { class: 'strict', software: 'test 1' },
    {
      clock,
      random: new SeededRandom(),
      logger: log,
      identity: () => identity,
      state: () => state,
      // as a call does: what is to be sent is waited for until it comes, also once the call is over
      async *open(reports, signal) {
        const mine: SignedReport[] = []
        calls.push(mine)
        void (async () => {
          for await (const report of reports) mine.push(report)
        })()
        await new Promise<void>((_, reject) => {
          breakOff = () => reject(new Error('away'))
          signal.addEventListener('abort', breakOff)
        })
        yield ''
      },
    },
  )
  await settle()
  for (const [at, seq] of [4, 5, 6].entries()) {
    breakOff()
    await clock.advance(40_000)
    expect(calls.length).toBe(at + 2)
    state = stateAt(seq)
    reporter.moved()
    await clock.advance(500)
    expect(calls.map((mine) => mine.map(({ body }) => decodeReport(body)).filter((report) => report?.kind === 'receipt' && report.seq === seq).length)).toEqual([...Array.from({ length: at + 1 }, () => 0), 1])
  }
})
