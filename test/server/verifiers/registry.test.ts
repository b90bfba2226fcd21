import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RelayedReports__Output } from '../../../proto/generated/mayfly/v1/RelayedReports.ts'
import { VerifierRegistry } from '../../../server/verifiers/registry.ts'
import { waitFor, type Progress } from '../../../server/verifiers/waiting.ts'
import type { Store } from '../../../server/store/port.ts'
import { encodeReport, signedReportBytes, type Report } from '../../../src/core/revocation/reports.ts'
import type { ChainFacts, CheckOutcome } from '../../../src/core/revocation/check.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { BundleSet } from '../../../src/verify/index.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { openAt } from '../../support/store/open.ts'
import { agentId, by, issue, nowMs as storeNowMs, prepareToIssue, request, spec } from '../../support/store/samples.ts'
import { authority, leaf, nowMs, trustDomain, type Issued } from '../../support/verify/certificates.ts'

const root = authority('root')
const agent = parseSpiffeId(`spiffe://${trustDomain}/spire/agent/join_token/one`)
const otherAgent = parseSpiffeId(`spiffe://${trustDomain}/spire/agent/join_token/two`)
const theRoot = new Uint8Array(32).fill(7)

let clock: FakeClock
let log: KeptLog
let store: Store
let outcome: CheckOutcome
let outcomeOf: (facts: ChainFacts) => CheckOutcome
let head: { epoch: number; seq: number; chainHash: Uint8Array }
let registry: VerifierRegistry

beforeEach(async () => {
  clock = new FakeClock(nowMs)
  log = new KeptLog()
  store = await openAt(':memory:')
  outcome = { kind: 'good' }
  outcomeOf = () => outcome
  head = { epoch: 5, seq: 10, chainHash: new Uint8Array(32) }
  registry = await start()
})

afterEach(async () => {
  await registry[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  expect(clock.sleeping).toBe(0)
})

async function start(): Promise<VerifierRegistry> {
  return VerifierRegistry.start({
    store,
    clock,
    log,
    trustDomain,
    bundles: () => BundleSet.of({ trustDomain, x509Authorities: [root.der] }),
    revocation: { check: (facts) => outcomeOf(facts), freshness: () => ({ ageMs: 0, aheadMs: 0, behindMs: 0 }) },
    nowMs: () => clock.nowMs(),
    stream: { get head() { return head }, rootAt: (seq) => (seq === head.seq ? theRoot : undefined) },
  })
}

/** A verifier that does what it should, or what a test says. */
class TestVerifier {
  readonly instance: Uint8Array
  svid: Issued
  number = 100

  constructor(seed: number, svid: Issued = leaf(root, { uri: `spiffe://${trustDomain}/v${seed}` })) {
    this.instance = new Uint8Array(16).fill(seed)
    this.svid = svid
  }

  registration(more: { readonly class?: 'strict' | 'standard' | 'available'; readonly chain?: readonly Uint8Array[]; readonly by?: Issued } = {}): Partial<RelayedReports__Output> {
    const chain = more.chain ?? [this.svid.der]
    const signed = this.#sign({ kind: 'registration', ...this.#head(), class: more.class ?? 'standard', software: 'test' }, more.by)
    return { registrations: [{ ...signed, svidChain: chain.map((der) => Buffer.from(der)) }] }
  }

  receipt(seq: number, more: { readonly epoch?: number; readonly heldMs?: number; readonly root?: Uint8Array; readonly by?: Issued } = {}): Partial<RelayedReports__Output> {
    return { receipts: [this.#sign({ kind: 'receipt', ...this.#head(), epoch: more.epoch ?? 5, seq, floorMinute: 1, heldMs: more.heldMs ?? 0, root: more.root ?? theRoot }, more.by)] }
  }

  uses(serial: Uint8Array, count: number): Partial<RelayedReports__Output> {
    return { uses: [this.#sign({ kind: 'uses', ...this.#head(), uses: [{ serial, firstMs: nowMs - 5, lastMs: nowMs, count }] })] }
  }

  refusals(serial: Uint8Array, count: number): Partial<RelayedReports__Output> {
    return { refusals: [this.#sign({ kind: 'refusals', ...this.#head(), refusals: [{ serial, firstMs: nowMs - 5, lastMs: nowMs, count }] })] }
  }

  #head(): { readonly instance: Uint8Array; readonly number: number } {
    return { instance: this.instance, number: ++this.number }
  }

  #sign(report: Report, signer = this.svid): { readonly body: Buffer; readonly signature: Buffer } {
    const body = encodeReport(report)
    return { body: Buffer.from(body), signature: Buffer.from(signer.key.sign(signedReportBytes(body))) }
  }
}

async function receive(reports: Partial<RelayedReports__Output>, from = agent): Promise<void> {
  registry.receive(from, { registrations: [], receipts: [], uses: [], refusals: [], left: [], unregistered: 0, ...reports })
  await clock.advance(20)
}

const seqs = (): readonly number[] => registry.all.map(({ seq }) => seq)

describe('receipts', () => {
  test('move the verifier that signed them, and nobody else can', async () => {
    const [one, two] = [new TestVerifier(1), new TestVerifier(2)]
    await receive(one.registration())
    await receive(two.registration())
    await receive(one.receipt(10))
    expect(seqs()).toEqual([10, 0])
    const forged = new TestVerifier(2)
    forged.number = 1_000
    await receive(forged.receipt(10, { by: one.svid }))
    expect(seqs()).toEqual([10, 0])
    expect(log.facts.at(-1)).toMatchObject({ event: 'verifier.refused', why: 'its signature is not that of its SVID' })
    await receive(two.receipt(10))
    expect(seqs()).toEqual([10, 10])
  })

  test('that are sent again or replayed count for nothing', async () => {
    const verifier = new TestVerifier(1)
    await receive(verifier.registration())
    const old = verifier.receipt(4)
    await receive(verifier.receipt(9))
    await receive(old)
    expect(seqs()).toEqual([9])
  })

  test('of one that is not registered, whose SVID has expired or was revoked, or that cannot be read, count for nothing', async () => {
    const verifier = new TestVerifier(1)
    await receive(verifier.receipt(10))
    expect(registry.all).toEqual([])
    await receive(verifier.registration())
    outcome = { kind: 'revoked' }
    await receive(verifier.receipt(10))
    outcome = { kind: 'good' }
    await receive({ receipts: [{ body: Buffer.alloc(40), signature: Buffer.alloc(64) }] })
    clock.jump(900_001)
    await receive(verifier.receipt(10))
    expect(seqs()).toEqual([0])
  })

  test('with another root than the server had there, or from beyond its head, are not counted, and alarm once', async () => {
    const verifier = new TestVerifier(1)
    await receive(verifier.registration())
    await receive(verifier.receipt(10, { root: new Uint8Array(32) }))
    await receive(verifier.receipt(11))
    await receive(verifier.receipt(3, { epoch: 6 }))
    expect(registry.all).toMatchObject([{ seq: 0, stateDiffers: true }])
    expect(log.facts.filter(({ event }) => event === 'verifier.state_differs')).toHaveLength(1)
    await receive(verifier.receipt(10))
    expect(registry.all).toMatchObject([{ seq: 10, stateDiffers: false }])
  })

  test('are timed from the commit to their arrival, the first of each verifier', async () => {
    const verifier = new TestVerifier(1)
    await receive(verifier.registration())
    await receive(verifier.receipt(0))
    await prepareToIssue(store)
    await store.entries.create([spec(1)], by)
    const [serial = ''] = await issue(store, request(1))
    await store.targets.revoke({ kind: 'serial', serial }, { rotate: false, dryRun: false, reason: '' }, by)
    const { seq } = await store.stream.head()
    head = { ...head, seq }
    await clock.advance(40)
    await receive(verifier.receipt(seq, { heldMs: 15 }))
    await receive(verifier.receipt(seq))
    expect(registry.spread.revocations).toMatchObject([{ seq, events: 1, delaysMs: [25] }])
    await clock.advance(60_000)
    const late = new TestVerifier(2)
    await receive(late.registration())
    await receive(late.receipt(seq))
    expect(seqs()).toEqual([seq, seq])
    expect(registry.spread.revocations, 'who registered a minute after it did not wait a minute').toMatchObject([{ delaysMs: [25] }])
  })
})

describe('registrations', () => {
  test('are refused when the SVID does not verify, was revoked, or did not sign', async () => {
    const verifier = new TestVerifier(1)
    const stranger = leaf(authority('stranger'), { uri: `spiffe://${trustDomain}/v1` })
    await receive(verifier.registration({ chain: [stranger.der], by: stranger }))
    await receive(verifier.registration({ by: leaf(root) }))
    await receive(verifier.registration({ chain: [new Uint8Array(5)] }))
    outcome = { kind: 'revoked' }
    await receive(verifier.registration())
    expect(registry.all).toEqual([])
  })

  test('keep an instance that of one identity', async () => {
    const verifier = new TestVerifier(1)
    await receive(verifier.registration())
    const thief = new TestVerifier(1, leaf(root, { uri: `spiffe://${trustDomain}/thief` }))
    thief.number = 10_000
    await receive(thief.registration({ class: 'available' }))
    await receive(thief.registration({ chain: [] }))
    expect(registry.all).toMatchObject([{ registered: { spiffeId: `spiffe://${trustDomain}/v1`, class: 'standard' } }])
  })

  test('with a renewed SVID go on where the verifier was, and are not written down again', async () => {
    const verifier = new TestVerifier(1)
    await receive(verifier.registration())
    await receive(verifier.receipt(10))
    await clock.advance(1_000)
    const written = await store.journal.head()
    verifier.svid = leaf(root, { uri: `spiffe://${trustDomain}/v1`, index: 9 })
    await receive(verifier.registration())
    await receive(verifier.receipt(10))
    await clock.advance(1_000)
    expect(registry.all).toMatchObject([{ seq: 10, number: verifier.number }])
    expect(await store.journal.head()).toEqual(written)
  })

  test('without an SVID are listed and not relied on', async () => {
    await receive(new TestVerifier(1).registration({ chain: [] }))
    await receive({ unregistered: 3 })
    expect(registry.all).toMatchObject([{ unsigned: true }])
    expect(registry.unregistered).toBe(3)
    await clock.advance(1_000)
    expect(await store.verifiers.all()).toEqual([])
    registry.agentLeft(agent)
    expect(registry.unregistered).toBe(0)
  })

  test('outlast a restart; the verifier counts again once it has registered anew', async () => {
    const verifier = new TestVerifier(1)
    await receive(verifier.registration())
    await clock.advance(1_000)
    await store.stream.head()
    await registry[Symbol.asyncDispose]()
    registry = await start()
    expect(registry.all).toMatchObject([{ seq: 0, registered: { class: 'standard', software: 'test' } }])
    await receive(verifier.receipt(10))
    expect(seqs()).toEqual([0])
    await receive(verifier.registration())
    await receive(verifier.receipt(10))
    expect(seqs()).toEqual([10])
  })

  test('end when the agent that relays says so, or after ten silent minutes, and not at another agent\'s word', async () => {
    const [one, two] = [new TestVerifier(1), new TestVerifier(2)]
    await receive(one.registration())
    await receive(two.registration())
    await receive({ left: [Buffer.from(one.instance)] }, otherAgent)
    expect(registry.all).toHaveLength(2)
    await receive({ left: [Buffer.from(one.instance)] })
    expect(registry.all).toHaveLength(1)
    await clock.advance(11 * 60_000)
    expect(registry.all).toEqual([])
  })

  test('of one agent are bounded', async () => {
    const { svid } = new TestVerifier(0)
    const registrations = Array.from({ length: 10_050 }, (_, at) => {
      const verifier = new TestVerifier(0, svid)
      verifier.instance.set([at >> 8, at & 255])
      return verifier.registration({ chain: [] }).registrations ?? []
    }).flat()
    for (const from of [0, 3_500, 7_000]) {
      registry.receive(agent, { registrations: registrations.slice(from, from + 3_500), receipts: [], uses: [], refusals: [], left: [], unregistered: 0 })
      await clock.advance(3_000)
    }
    expect(registry.all).toHaveLength(10_000)
    await receive(new TestVerifier(9).registration(), otherAgent)
    expect(registry.all).toHaveLength(10_001)
  })
})

test('an agent whose verifiers come and go without end cannot fill the journal with them', async () => {
  const { svid } = new TestVerifier(0)
  const instances = (from: number, count: number): TestVerifier[] => Array.from({ length: count }, (_, at) => {
    const verifier = new TestVerifier(0, svid)
    verifier.instance.set([(from + at) >> 8, (from + at) & 255])
    return verifier
  })
  for (const from of [0, 4_000, 8_000]) {
    const verifiers = instances(from, 4_000)
    registry.receive(agent, { registrations: verifiers.flatMap((verifier) => verifier.registration({ chain: [] }).registrations ?? []), receipts: [], uses: [], refusals: [], left: [], unregistered: 0 })
    await clock.advance(1_000)
    if (from < 8_000) await receive({ left: verifiers.map(({ instance }) => Buffer.from(instance)) })
  }
  expect(registry.all.length).toBeGreaterThanOrEqual(2_000)
  expect(registry.all.length).toBeLessThan(2_200)
  expect(log.facts.at(-1)).toMatchObject({ event: 'verifier.refused', why: 'its agent brings too many new verifiers at once' })
})

describe('ten thousand reports at once', () => {
  test('are checked a slice at a time: others have the thread in between, and only the newest of each verifier is', async () => {
    const verifiers = Array.from({ length: 200 }, (_, seed) => new TestVerifier(seed))
    for (const verifier of verifiers) registry.receive(agent, { registrations: [], receipts: [], uses: [], refusals: [], left: [], unregistered: 0, ...verifier.registration() })
    await clock.advance(1_000)
    for (let seq = 1; seq <= 10; seq++) for (const verifier of verifiers) registry.receive(agent, { registrations: [], receipts: [], uses: [], refusals: [], left: [], unregistered: 0, ...verifier.receipt(seq) })
    await settle()
    const soon = seqs().filter((seq) => seq === 10).length
    expect(soon).toBeLessThanOrEqual(64)
    await clock.advance(50)
    expect(new Set(seqs())).toEqual(new Set([10]))
  })
})

test('uses are written down for the verifier that signed them, once', async () => {
  await prepareToIssue(store)
  await store.entries.create([spec(1)], by)
  const [serial = ''] = await issue(store, request(1, { notAfterMs: storeNowMs + 900_000, agentId }))
  const verifier = new TestVerifier(1)
  await receive(verifier.registration())
  const report = verifier.uses(Buffer.from(serial, 'hex'), 3)
  await receive(report)
  await receive(report)
  await receive(verifier.uses(Buffer.from(serial, 'hex'), 2))
  await clock.advance(5_000)
  expect(await store.credentials.uses(serial, 10)).toMatchObject([{ verifier: `spiffe://${trustDomain}/v1`, count: 5, firstMs: nowMs - 5, lastMs: nowMs }])
})

test('refusals are written down beside uses, and neither is lost when a later receipt is checked first', async () => {
  await prepareToIssue(store)
  await store.entries.create([spec(1)], by)
  const [serial = ''] = await issue(store, request(1, { notAfterMs: storeNowMs + 900_000, agentId }))
  const verifier = new TestVerifier(1)
  await receive(verifier.registration())
  const [uses, refusals, receipt] = [verifier.uses(Buffer.from(serial, 'hex'), 3), verifier.refusals(Buffer.from(serial, 'hex'), 2), verifier.receipt(10)]
  registry.receive(agent, { registrations: [], receipts: [], uses: [], refusals: [], left: [], unregistered: 0, ...uses })
  await receive({ ...refusals, ...receipt })
  await receive(refusals)
  await clock.advance(5_000)
  expect(seqs()).toEqual([10])
  expect(await store.credentials.uses(serial, 10)).toMatchObject([{ refused: true, count: 2 }, { count: 3 }])
})

describe('waiting for receipts', () => {
  async function wait(seq: number, of: readonly (readonly [TestVerifier, 'strict' | 'standard' | 'available'])[]): Promise<{ readonly steps: Progress[]; readonly done: Promise<void> }> {
    for (const [verifier, wanted] of of) await receive(verifier.registration({ class: wanted }))
    const steps: Progress[] = []
    const run = async (): Promise<void> => {
      for await (const step of waitFor(5, seq, registry, clock, new AbortController().signal)) steps.push(step)
    }
    return { steps, done: run() }
  }

  test('ends with the last receipt', async () => {
    const [one, two] = [new TestVerifier(1), new TestVerifier(2)]
    const { steps, done } = await wait(10, [[one, 'strict'], [two, 'available']])
    await clock.advance(100)
    await receive(one.receipt(10))
    await clock.advance(100)
    await receive(two.receipt(10))
    await clock.advance(100)
    await done
    expect(steps.map(({ receipted }) => receipted)).toEqual([0, 1, 2])
  })

  test('does not wait past a limit, and names who may still accept', async () => {
    const [strict, standard, available] = [new TestVerifier(1), new TestVerifier(2), new TestVerifier(3)]
    const { steps, done } = await wait(10, [[strict, 'strict'], [standard, 'standard'], [available, 'available']])
    await clock.advance(4_500)
    expect(steps.at(-1)).toMatchObject({ receipted: 0, waiting: 2 })
    expect(steps.at(-1)?.pastLimit.map(({ registered }) => registered.class)).toEqual(['strict'])
    await clock.advance(12_500)
    await done
    expect(steps.at(-1)?.pastLimit).toHaveLength(2)
    expect(steps.at(-1)?.uncovered.map(({ registered }) => registered.spiffeId)).toEqual([`spiffe://${trustDomain}/v3`])
  })

  test('one whose own SVID is revoked is not relied on, and not waited for', async () => {
    const [one, two] = [new TestVerifier(1), new TestVerifier(2)]
    const { steps, done } = await wait(10, [[one, 'available'], [two, 'available']])
    const [facts] = registry.all.map(({ key }) => key?.facts)
    const check = outcomeOf
    outcomeOf = (asked) => (asked === facts ? { kind: 'revoked' } : check(asked))
    await receive(one.receipt(10))
    await receive(two.receipt(10))
    await clock.advance(200)
    await done
    expect(steps.at(-1)).toMatchObject({ verifiers: 1, receipted: 1, unsigned: 1, uncovered: [] })
  })

  test('with nobody registered is over at once', async () => {
    const { steps, done } = await wait(10, [])
    await done
    expect(steps).toMatchObject([{ verifiers: 0, waiting: 0 }])
  })
})

test('a registration that is refused is told to whoever follows its agent, with the instance and why, and not to others', async () => {
  const [told, others]: [unknown[], unknown[]] = [[], []]
  const following = registry.onRefused(agent, (refusal) => told.push(refusal))
  using _others = registry.onRefused(otherAgent, (refusal) => others.push(refusal))
  const [stranger, good] = [new TestVerifier(1, leaf(authority('another'), { uri: `spiffe://${trustDomain}/v1` })), new TestVerifier(2)]
  await receive(good.registration())
  await receive(stranger.registration())
  expect(told).toEqual([{ instance: stranger.instance, refused: expect.stringContaining('its SVID is') }])
  expect(others).toEqual([])
  following[Symbol.dispose]()
  await receive(stranger.registration())
  expect(told).toHaveLength(1)
})
