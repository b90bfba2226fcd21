import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeFrameBody, openFrame } from '../../../src/core/revocation/frame.ts'
import type { RevocationEvent } from '../../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../../src/core/revocation/follower.ts'
import { minuteOf } from '../../../src/core/serial.ts'
import { BundleSet, LiveConnections, memberOf, RevocationReader, verifyX509Svid, type StreamFrame } from '../../../src/verify/index.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { RevocationStream } from '../../../server/revocation/stream.ts'
import { StreamSigner } from '../../../server/revocation/stream-signer.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { FakeStreamStore } from '../../support/revocation/fake-stream-store.ts'
import { authority, leaf, nowMs, serialFor, someId, streamSigner, trustDomain } from '../../support/verify/certificates.ts'

const root = authority('root')
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
const notAfterMs = nowMs + 900_000
const nowhere: StreamHead = { epoch: 0, seq: 0, chainHash: new Uint8Array(32) }

let clock: FakeClock
let store: FakeStreamStore
let signer: StreamSigner
let stream: RevocationStream
let ends: AbortController
let logged: string[]
let certify: (spki: Uint8Array) => Promise<readonly Uint8Array[]>

beforeEach(async () => {
  clock = new FakeClock(nowMs)
  store = new FakeStreamStore()
  ends = new AbortController()
  logged = []
  certify = async (spki) => {
    const second = Math.floor(clock.nowMs() / 1_000) * 1_000
    return Promise.resolve([streamSigner(root, { spki, notBeforeMs: second - 10_000, notAfterMs: second + 86_400_000 }).der])
  }
  store.commit({ kind: 'authority_indexed', authorityId: root.id })
  await start()
})

afterEach(async () => {
  ends.abort()
  await stream[Symbol.asyncDispose]()
  await signer[Symbol.asyncDispose]()
})

async function start(): Promise<void> {
  const log = ({ event }: { event: string }): void => void logged.push(event)
  const logger = { debug: log, info: log, warn: log, error: log }
  signer = StreamSigner.start({ clock, logger, certify: async (spki) => certify(spki) })
  stream = await RevocationStream.start({ store, signer, clock, logger })
  await settle()
}

async function restart(): Promise<void> {
  await stream[Symbol.asyncDispose]()
  await signer[Symbol.asyncDispose]()
  await start()
}

function revoke(index: number, kind: 'revoked' | 'superseded' = 'revoked'): RevocationEvent {
  return { kind, shard: 1, minute: minuteOf(notAfterMs), index }
}

function reader(highest?: StreamHead): RevocationReader {
  return new RevocationReader({ clock, anchors: () => bundles.authoritiesOf(trustDomain) }, highest)
}

interface Follower {
  readonly reader: RevocationReader
  readonly frames: StreamFrame[]
  readonly outcomes: string[]
  stop(): void
}

/** Follows the stream as a subscriber that keeps up. */
function follow(position: StreamHead = nowhere, of: RevocationReader = reader()): Follower {
  const stopping = new AbortController()
  const frames: StreamFrame[] = []
  const outcomes: string[] = []
  const run = async (): Promise<void> => {
    for await (const message of stream.watch(position, AbortSignal.any([ends.signal, stopping.signal]))) {
      frames.push(message)
      outcomes.push(of.accept(message).kind)
    }
  }
  void run()
  return { reader: of, frames, outcomes, stop: () => stopping.abort() }
}

function kindsOf(frames: readonly StreamFrame[]): string[] {
  return frames.map(({ frame }) => decodeFrameBody(openFrame(frame)?.body ?? new Uint8Array(0))?.kind ?? 'malformed')
}

describe('the stream', () => {
  test('gives a newcomer a snapshot and a heartbeat, then each event at once', async () => {
    const { reader: verifier, outcomes } = follow()
    await settle()
    expect(outcomes).toEqual(['replaced', 'confirmed'])
    expect(verifier.freshness()?.ageMs).toBe(0)
    store.commit(revoke(3))
    await settle()
    expect(outcomes).toEqual(['replaced', 'confirmed', 'applied'])
    expect(verifier.position).toEqual(stream.head)
  })

  test('coalesces to 50 ms under load and loses nothing', async () => {
    const { reader: verifier, frames } = follow()
    await settle()
    frames.length = 0
    for (let index = 0; index < 100; index++) {
      store.commit(revoke(index))
      await clock.advance(1)
    }
    await clock.advance(50)
    expect(kindsOf(frames).filter((kind) => kind === 'batch').length).toBeLessThanOrEqual(4)
    expect(verifier.position.seq).toBe(101)
  })

  test('beats each second with a root that readers confirm, also after buckets fall below the floor', async () => {
    const { outcomes } = follow()
    store.commit(revoke(1), revoke(2, 'superseded'))
    await settle()
    outcomes.length = 0
    await clock.advance(3_000)
    expect(outcomes.length).toBeGreaterThanOrEqual(3)
    expect(new Set(outcomes)).toEqual(new Set(['confirmed']))
    outcomes.length = 0
    await clock.advance(1_300_000)
    expect(new Set(outcomes)).toEqual(new Set(['confirmed']))
    expect(stream.figures.buckets).toBe(0)
  })

  test('is silent while the durable head cannot be read, and says so', async () => {
    const { reader: verifier, frames } = follow()
    await settle()
    frames.length = 0
    store.broken = true
    await clock.advance(5_000)
    expect(frames).toEqual([])
    expect(logged).toContain('revocation.silent')
    expect(verifier.freshness()?.ageMs).toBeGreaterThanOrEqual(4_000)
    store.broken = false
    await clock.advance(1_000)
    expect(verifier.freshness()?.ageMs).toBeLessThanOrEqual(1_000)
  })

  test('resumes from a position in its ring, from one further back, and not from another history', async () => {
    const first = follow()
    store.commit(revoke(1))
    await settle()
    first.stop()
    await settle()
    store.commit(revoke(2), revoke(3))
    const second = follow(first.reader.position, first.reader)
    await clock.advance(100)
    expect(kindsOf(second.frames).slice(0, 2)).toEqual(['batch', 'heartbeat'])
    expect(second.outcomes).not.toContain('gap')
    expect(second.reader.position).toEqual(stream.head)
    second.stop()

    await restart()
    const third = follow(first.reader.position, first.reader)
    await settle()
    expect(third.outcomes.slice(0, 1)).toEqual(['confirmed'])

    const forged = follow({ ...stream.head, chainHash: new Uint8Array(32).fill(1) })
    await settle()
    expect(kindsOf(forged.frames)[0]).toBe('snapshot')
  })

  test('resumes from the store where the ring no longer reaches', async () => {
    const early = follow()
    await settle()
    early.stop()
    store.commit(...Array.from({ length: 9_000 }, (_, index) => revoke(index)))
    await restart()
    const late = follow(early.reader.position, early.reader)
    await settle()
    expect(kindsOf(late.frames).slice(0, 3)).toEqual(['batch', 'batch', 'batch'])
    expect(late.reader.position).toEqual(stream.head)
    const origin = follow({ epoch: store.domain.epoch, seq: 0, chainHash: new Uint8Array(32) })
    await settle()
    expect(kindsOf(origin.frames)[0]).toBe('batch')
  })

  test('a reader that is behind what the store still keeps gets a snapshot', async () => {
    const early = follow()
    await settle()
    early.stop()
    store.commit(...Array.from({ length: 9_000 }, (_, index) => revoke(index)))
    await store.stream.prune(1, { name: 'system', atMs: 0 })
    await restart()
    for (const position of [early.reader.position, { epoch: store.domain.epoch, seq: 0, chainHash: new Uint8Array(32) }]) {
      const late = follow(position)
      await settle()
      expect(kindsOf(late.frames)[0]).toBe('snapshot')
      expect(late.reader.position).toEqual(stream.head)
    }
  })

  test('a subscriber that reads too slowly is bounded and gets a snapshot instead', async () => {
    const verifier = reader()
    const iterator = stream.watch(nowhere, ends.signal)[Symbol.asyncIterator]()
    const outcomes: string[] = []
    const read = async (): Promise<void> => {
      const { value } = (await iterator.next()) as { value: StreamFrame } // it does not end before the test does
      outcomes.push(verifier.accept(value).kind)
    }
    await read()
    for (let index = 0; index < 300; index++) {
      store.commit(revoke(index))
      await clock.advance(60)
    }
    while (verifier.position.seq < stream.head.seq) await read()
    expect(outcomes.length).toBeLessThan(10)
    expect(outcomes.filter((kind) => kind === 'replaced').length).toBe(2)
    await iterator.return?.()
    expect(stream.figures.subscribers).toBe(0)
  })

  test('whoever comes within a second of another shares its snapshot, and is sent the events since', async () => {
    const first = follow()
    await settle()
    store.commit(revoke(1))
    await clock.advance(100)
    const second = follow()
    await settle()
    expect(second.frames[0]?.frame).toBe(first.frames[0]?.frame)
    expect(kindsOf(second.frames).slice(0, 2)).toEqual(['snapshot', 'batch'])
    expect(second.reader.position).toEqual(stream.head)
    expect(second.reader.check({ id: someId, serial: serialFor(notAfterMs, 1), notAfterMs, authorityId: root.id, aboveIds: [] }).kind).toBe('revoked')
    await clock.advance(1_000)
    const third = follow()
    await settle()
    expect(third.frames[0]?.frame).not.toBe(first.frames[0]?.frame)
    expect(third.outcomes[0]).toBe('replaced')
    expect(logged.filter((event) => event === 'revocation.snapshot').length).toBe(2)
  })

  test('all subscribers are sent the same bytes, signed once', async () => {
    const [a, b] = [follow(), follow()]
    await settle()
    store.commit(revoke(5))
    await settle()
    expect(a.frames.length).toBeGreaterThan(2)
    expect(b.frames.at(-1)?.frame).toBe(a.frames.at(-1)?.frame)
  })

  test('a reader that has seen more than the server has is noticed', async () => {
    follow({ epoch: store.domain.epoch, seq: 99, chainHash: new Uint8Array(32) })
    await settle()
    expect(logged).toContain('revocation.reader_ahead')
  })

  test('a wall clock that leaps ahead does not drop buckets', async () => {
    store.commit(revoke(1))
    clock.jump(86_400_000)
    await clock.advance(2_000)
    expect(stream.figures.buckets).toBe(1)
  })
})

describe('the key of the stream', () => {
  test('a server without one starts, answers its own checks, and speaks once it has one', async () => {
    const good = certify
    certify = async () => Promise.reject(new Error('no authority yet'))
    await restart()
    const { outcomes } = follow()
    store.commit(revoke(1))
    await clock.advance(1_000)
    expect(outcomes).toEqual([])
    expect(stream.check({ id: someId, serial: serialFor(notAfterMs, 1), notAfterMs, authorityId: root.id, aboveIds: [] }).kind).toBe('revoked')
    certify = good
    await clock.advance(11_000)
    expect(outcomes.slice(0, 2)).toEqual(['replaced', 'confirmed'])
  })

  test('is replaced at half of its life, introduced by the one before, and nobody notices', async () => {
    const good = certify
    certify = async (spki) => Promise.resolve([streamSigner(root, { spki, notBeforeMs: clock.nowMs() - 10_000, notAfterMs: clock.nowMs() + 600_000 }).der])
    await restart()
    certify = good
    const { outcomes, frames } = follow()
    await clock.advance(310_000)
    expect(kindsOf(frames)).toContain('introduction')
    expect(frames.filter(({ signerChain }) => signerChain.length > 0).length).toBe(2)
    expect(new Set(outcomes)).toEqual(new Set(['replaced', 'confirmed', 'introduced']))
  })

  test.each([
    ['slept past its end', 25 * 3_600_000],
    ['had its clock set back to before it', -3_600_000],
  ])('is replaced within seconds on a machine that %s, though no timer ran out', async (_, jumpMs) => {
    const before = signer.current
    clock.jump(jumpMs)
    await clock.advance(10_500)
    expect(signer.current).toBeDefined()
    expect(signer.current).not.toBe(before)
    expect(signer.current?.notBeforeMs).toBeLessThanOrEqual(clock.nowMs())
    await clock.advance(60_000)
    expect(logged.filter((event) => event === 'revocation.signer_changed')).toHaveLength(2)
  })

  test('is replaced at once when an authority is revoked, and the event itself still arrives', async () => {
    const second = authority('second')
    const both = BundleSet.of({ trustDomain, x509Authorities: [root.der, second.der] })
    const verifier = new RevocationReader({ clock, anchors: () => both.authoritiesOf(trustDomain) })
    const { outcomes, frames } = follow(nowhere, verifier)
    await settle()
    certify = async (spki) => Promise.resolve([streamSigner(second, { spki }).der])
    store.commit({ kind: 'authority_indexed', authorityId: second.id }, { kind: 'authority_revoked', authorityId: root.id })
    await clock.advance(2_000)
    expect(outcomes).not.toContain('forged')
    expect(verifier.position).toEqual(stream.head)
    expect(verifier.freshness()?.ageMs).toBeLessThanOrEqual(1_000)
    expect(frames.filter(({ signerChain }) => signerChain.length > 0).length).toBe(2)
    expect(verifier.accept({ frame: frames.at(0)?.frame ?? new Uint8Array(0), signerChain: [] })).toEqual({ kind: 'forged', why: 'unknown_key' })
  })
})

describe('from server to verdict', () => {
  test('a revoked SVID is refused and its connections are cut, a superseded one keeps them, others stay', async () => {
    const { reader: verifier } = follow()
    await settle()
    const svids = [1, 2, 3].map((index) => leaf(root, { index, key: PrivateKey.generate() }))
    const verify = (at: number): ReturnType<typeof verifyX509Svid> => verifyX509Svid([svids[at]?.der ?? new Uint8Array(0)], { bundles, allow: memberOf(trustDomain), revocation: verifier, nowMs: clock.nowMs(), class: 'strict' })
    const cut: string[] = []
    using connections = new LiveConnections(verifier)
    for (const at of [0, 1, 2]) {
      const verdict = verify(at)
      if (verdict.kind !== 'accepted') throw new Error(verdict.kind)
      connections.add(verdict.facts, (reason) => cut.push(`${at} ${reason}`))
    }
    store.commit(revoke(1), revoke(2, 'superseded'))
    await settle()
    expect([0, 1, 2].map((at) => verify(at).kind)).toEqual(['revoked', 'superseded', 'accepted'])
    expect(cut).toEqual(['0 revoked'])
    store.commit({ kind: 'authority_revoked', authorityId: root.id })
    await settle()
    expect(verify(2).kind).toBe('authority_revoked')
    expect(cut).toEqual(['0 revoked', '1 revoked', '2 authority_revoked'].map((text) => text.replace('1 revoked', '1 authority_revoked')))
    expect(connections.size).toBe(0)
  })

  test('what was revoked between the check and the registration of a connection is cut at once', async () => {
    const cut: string[] = []
    using connections = new LiveConnections(stream)
    store.commit(revoke(1))
    connections.add({ id: someId, serial: serialFor(notAfterMs, 1), notAfterMs, authorityId: root.id, aboveIds: [] }, (reason) => cut.push(reason))
    expect(cut).toEqual(['revoked'])
    await settle()
  })

  test('classes: strict closes after 3 s without the stream, standard after 15 s, available says that it is stale', async () => {
    const following = follow()
    await settle()
    following.stop()
    const svid = leaf(root)
    const verify = (limit: 'strict' | 'standard' | 'available', uri?: string): string => {
      const verdict = verifyX509Svid([(uri === undefined ? svid : leaf(root, { uri })).der], { bundles, allow: () => true, revocation: following.reader, nowMs: clock.nowMs(), class: limit })
      return verdict.kind === 'accepted' && verdict.stale ? 'accepted, stale' : verdict.kind
    }
    expect([verify('strict'), verify('standard'), verify('available')]).toEqual(['accepted', 'accepted', 'accepted'])
    await clock.advance(3_001)
    expect([verify('strict'), verify('standard'), verify('available')]).toEqual(['stale', 'accepted', 'accepted'])
    await clock.advance(12_000)
    expect([verify('strict'), verify('standard'), verify('available')]).toEqual(['stale', 'stale', 'accepted, stale'])
    expect(verify('available', 'spiffe://example.org/web/task/abc')).toBe('stale')
  })

  test('a verifier that never received anything refuses in every class', () => {
    const verdict = verifyX509Svid([leaf(root).der], { bundles, allow: () => true, revocation: reader(), nowMs: clock.nowMs() })
    expect(verdict).toMatchObject({ kind: 'stale', ageMs: undefined })
  })

  test('a leaf whose serial is not mayfly\'s, and one under an authority that is not indexed, are refused', async () => {
    const { reader: verifier } = follow()
    await settle()
    const foreign = authority('foreign')
    const both = BundleSet.of({ trustDomain, x509Authorities: [root.der, foreign.der] })
    const options = { bundles: both, allow: () => true, revocation: verifier, nowMs: clock.nowMs() }
    expect(verifyX509Svid([leaf(root, { serial: Uint8Array.of(1, 2, 3) }).der], options).kind).toBe('malformed')
    expect(verifyX509Svid([leaf(root, { serial: serialFor(notAfterMs + 60_000, 1) }).der], options).kind).toBe('malformed')
    expect(verifyX509Svid([leaf(foreign).der], options)).toMatchObject({ kind: 'unindexed', authorityId: foreign.id })
  })
})
