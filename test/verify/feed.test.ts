import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { skewOf } from '../../src/core/revocation/freshness.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { BundleSet, RevocationFeed, type HeadStore, type RevocationFeedDeps, type StreamFrame } from '../../src/verify/index.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { verifySignerChain } from '../../src/verify/signer-chain.ts'
import { ext, authority, nowMs, serialFor, someId, streamSigner, trustDomain } from '../support/verify/certificates.ts'
import { keyUsageBit } from '../../src/x509/extensions.ts'
import { oid } from '../../src/x509/oids.ts'
import { KeptLog, SeededRandom } from '../support/agent/quiet.ts'
import { FakeClock, settle } from '../support/fake-clock.ts'
import { SignedSimStream } from '../support/revocation/signed-sim-stream.ts'

const root = authority('root')
const notAfterMs = nowMs + 900_000

describe('a feed', () => {
  let clock: FakeClock
  let log: KeptLog
  let stream: SignedSimStream
  let opened: StreamHead[]
  let push: (frame: StreamFrame) => void
  let breakOff: () => void
  let saved: StreamHead[]
  let kept: StreamHead | undefined
  let feed: RevocationFeed
  let present: BundleSet

  const heads: HeadStore = {
    load: async () => Promise.resolve(kept),
    save: async (head) => {
      saved.push(head)
      return Promise.resolve()
    },
  }

  beforeEach(() => {
    clock = new FakeClock(nowMs)
    log = new KeptLog()
    stream = new SignedSimStream(root)
    stream.append({ kind: 'authority_indexed', authorityId: root.id })
    opened = []
    saved = []
    kept = undefined
    time = undefined
  })

  afterEach(async () => {
    await feed[Symbol.asyncDispose]()
    expect(clock.sleeping).toBe(0)
  })

  let time: ((nonce: Uint8Array) => Promise<StreamFrame>) | undefined

  async function start(reports?: RevocationFeedDeps['reports']): Promise<void> {
    present = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
    feed = await RevocationFeed.start({ trustDomain }, { clock, random: new SeededRandom(), logger: log, bundles: () => present, open, heads, ...(reports === undefined ? {} : { reports }), ...(time === undefined ? {} : { time }) })
    await settle()
  }

  async function* open(position: StreamHead, signal: AbortSignal): AsyncIterable<StreamFrame> {
    opened.push(position)
    const queue: StreamFrame[] = []
    let wake = (): void => undefined
    let ended = false
    push = (frame) => {
      queue.push(frame)
      wake()
    }
    breakOff = () => {
      ended = true
      wake()
    }
    signal.addEventListener('abort', () => wake(), { once: true })
    while (!signal.aborted && !ended) {
      for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) yield frame
      if (queue.length === 0 && !signal.aborted && !ended) await new Promise<void>((resolve) => (wake = resolve))
    }
    if (ended) throw new Error('connection reset')
  }

  test('starts from a snapshot, says when it is synced, and keeps the highest head', async () => {
    await start()
    let synced = false
    void feed.synced.then(() => (synced = true))
    await settle()
    expect([opened.length, opened[0]?.seq, synced, feed.freshness()]).toEqual([1, 0, false, undefined])
    stream.snapshots().forEach((frame) => push(frame))
    await settle()
    expect(synced).toBe(true)
    expect(feed.freshness()).toEqual({ ageMs: 0, aheadMs: 0, behindMs: 0 })
    stream.append({ kind: 'revoked', shard: 1, minute: Math.floor(notAfterMs / 60_000), index: 4 })
    push(stream.batchOf(2))
    await settle()
    expect(feed.check({ id: someId, serial: serialFor(notAfterMs, 4), notAfterMs, authorityId: root.id, aboveIds: [] }).kind).toBe('revoked')
    await clock.advance(1_000)
    expect(saved.at(-1)).toEqual(stream.head)
  })

  test('reconnects where it was, later each time it fails, and asks for a snapshot after a gap', async () => {
    await start()
    stream.snapshots().forEach((frame) => push(frame))
    await settle()
    breakOff()
    await clock.advance(400)
    expect(opened.at(-1)).toEqual(stream.head)
    for (let attempt = 0; attempt < 4; attempt++) {
      breakOff()
      await clock.advance(100)
    }
    expect(opened.length).toBeLessThan(5)
    await clock.advance(20_000)
    stream.append({ kind: 'revoked', shard: 1, minute: 1, index: 1 })
    stream.append({ kind: 'revoked', shard: 1, minute: 1, index: 2 })
    for (const before = opened.length; opened.length === before; ) await clock.advance(1_000)
    const next = opened.length
    push(stream.batchOf(3))
    await clock.advance(10_000)
    expect(opened[next]?.epoch).toBe(0)
    expect(log.facts.some(({ event, ...fact }) => event === 'revocation.refused_frame' && fact['outcome'] === 'gap')).toBe(true)
  })

  test('reports are tried again as soon as the stream comes again, however long they have failed', async () => {
    let tries = 0
    const failing = async function* (): AsyncGenerator<string, void, undefined> {
      tries++
      yield* []
      throw new Error('away')
    }
    await start({ class: 'strict', software: 'test', identity: () => undefined, open: failing })
    stream.snapshots().forEach((frame) => push(frame))
    await clock.advance(100_000)
    for (const last = tries; tries === last; ) await clock.advance(1_000)
    const before = tries
    await clock.advance(5_000)
    expect(tries, 'by now it tries each half minute').toBe(before)
    stream.append({ kind: 'revoked', shard: 1, minute: 1, index: 1 })
    push(stream.batchOf(2))
    await clock.advance(1_000)
    expect(tries).toBe(before + 1)
  })

  test('measures the signer\'s clock, says once that it differs, and refuses for that until it is set right', async () => {
    const asked: Uint8Array[] = []
    time = async (nonce) => {
      asked.push(nonce)
      return Promise.resolve({ frame: stream.time([nonce], clock.nowMs() - 30_000), signerChain: [] })
    }
    clock.jump(30_000)
    await start()
    stream.snapshots().forEach((frame) => push(frame))
    await settle()
    const facts = { id: someId, serial: serialFor(notAfterMs, 4), notAfterMs, authorityId: root.id, aboveIds: [] }
    expect(feed.check(facts).kind).toBe('good')
    expect(skewOf(feed.freshness() ?? { ageMs: 0, aheadMs: 0, behindMs: 0 })).toBe(-30_000)
    await clock.advance(11_000)
    expect(log.facts.filter(({ event }) => event === 'revocation.clock_skew')).toEqual([{ event: 'revocation.clock_skew', skewMs: -30_000 }])
    expect(new Set(asked.map((nonce) => Buffer.from(nonce).toString('hex'))).size).toBe(3)
    clock.jump(-30_000)
    time = undefined
  })

  test('without anybody who can tell the signer\'s time it goes by its own clock', async () => {
    time = async () => Promise.reject(new Error('UNIMPLEMENTED'))
    await start()
    stream.snapshots().forEach((frame) => push(frame))
    await clock.advance(7_000)
    expect(feed.freshness()).toMatchObject({ aheadMs: 0, behindMs: 0 })
    expect(log.facts.filter(({ event }) => event === 'revocation.unmeasured')).toHaveLength(2)
  })

  test('asks for the time less and less often while the stream comes and the answers do not', async () => {
    let asked = 0
    time = async () => {
      asked++
      return Promise.reject(new Error('DEADLINE_EXCEEDED'))
    }
    await start()
    stream.snapshots().forEach((frame) => push(frame))
    for (let second = 0; second < 120; second++) {
      push({ frame: stream.heartbeat(1, clock.nowMs()), signerChain: [] })
      await clock.advance(1_000)
    }
    expect(asked).toBeGreaterThanOrEqual(5)
    expect(asked).toBeLessThanOrEqual(7)
  })

  test('asks for it every five seconds while nothing comes at all, so that it is known soon after that', async () => {
    let asked = 0
    time = async () => {
      asked++
      return Promise.reject(new Error('UNAVAILABLE'))
    }
    await start()
    stream.snapshots().forEach((frame) => push(frame))
    await clock.advance(30_000)
    asked = 0
    await clock.advance(60_000)
    expect(asked).toBeGreaterThanOrEqual(10)
  })

  test('leaves a connection that has been silent for over five seconds', async () => {
    await start()
    stream.snapshots().forEach((frame) => push(frame))
    await clock.advance(5_000)
    expect(opened.length).toBe(1)
    await clock.advance(3_000)
    expect(opened.length).toBe(2)
  })

  test('is more patient with the only source each time that it was left for its silence, until it is steady again', async () => {
    await start()
    const waits: number[] = []
    for (let at = 0; at < 4; at++) {
      const before = opened.length
      let waited = 0
      while (opened.length === before) {
        await clock.advance(1_000)
        waited++
      }
      waits.push(waited)
    }
    expect(waits[1]).toBeGreaterThan(waits[0] ?? 0)
    expect(waits[2]).toBeGreaterThan(waits[1] ?? 0)
    expect(waits[3]).toBeLessThanOrEqual((waits[2] ?? 0) + 2)
    expect(waits[3]).toBeLessThan(30)
    stream.snapshots().forEach((frame) => push(frame))
    for (let at = 0; at < 40; at++) {
      push({ frame: stream.heartbeat(0, clock.nowMs()), signerChain: [] })
      await clock.advance(1_000)
    }
    const before = opened.length
    await clock.advance(8_000)
    expect(opened.length).toBe(before + 1)
  })

  test('refuses after a restart a stream that is behind what it had seen', async () => {
    stream.append({ kind: 'revoked', shard: 1, minute: 1, index: 1 })
    kept = { ...stream.head, seq: 7 }
    await start()
    stream.snapshots().forEach((frame) => push(frame))
    push({ frame: stream.heartbeat(2, nowMs + 1), signerChain: [] })
    await settle()
    expect(feed.freshness()).toBeUndefined()
    expect(log.facts.at(-1)).toMatchObject({ event: 'revocation.refused_frame', outcome: 'rollback' })
  })

  test('takes a signer in once the bundle has its authority, though its certificate came before', async () => {
    await start()
    const later = authority('later')
    const next = new SignedSimStream(later)
    next.append({ kind: 'authority_indexed', authorityId: later.id })
    next.snapshots().forEach((frame) => push(frame))
    await settle()
    expect(log.facts.at(-1)).toMatchObject({ outcome: 'signer_refused' })
    present = present.with({ trustDomain, x509Authorities: [root.der, later.der] })
    next.snapshots().forEach(({ frame }) => push({ frame, signerChain: [] }))
    await settle()
    expect(feed.freshness()?.ageMs).toBe(0)
  })

  test('leaves a connection that brings only what it must refuse', async () => {
    await start()
    const forger = new SignedSimStream(authority('root'))
    for (let second = 0; second < 8; second++) {
      forger.snapshots().forEach((frame) => push(frame))
      await clock.advance(1_000)
    }
    expect(opened.length).toBe(2)
  })

  test('refuses frames whose signer is not certified by the bundle, and goes on', async () => {
    await start()
    const forger = new SignedSimStream(authority('root'))
    forger.snapshots().forEach((frame) => push(frame))
    push({ frame: forger.snapshots()[0]?.frame ?? new Uint8Array(0), signerChain: [] })
    push({ frame: new Uint8Array(200), signerChain: [] })
    await settle()
    expect(feed.freshness()).toBeUndefined()
    stream.snapshots().forEach((frame) => push(frame))
    await settle()
    expect(feed.freshness()?.ageMs).toBe(0)
  })
})

describe('a signer of the stream', () => {
  const anchors = BundleSet.of({ trustDomain, x509Authorities: [root.der] }).authoritiesOf(trustDomain)
  const digitalSignature = keyUsageBit.digitalSignature

  test('is an Ed25519 leaf with our extended key usage under an authority of the bundle', () => {
    expect(verifySignerChain([streamSigner(root).der], anchors, nowMs)).toMatchObject({ kind: 'key', key: { authorityIds: [root.id] } })
  })

  test.each([
    ['a P-256 key', streamSigner(root, { key: PrivateKey.generate() })],
    ['an X.509-SVID\'s extended key usage', streamSigner(root, { extensions: { extKeyUsage: ext.extKeyUsage(oid.serverAuth, oid.clientAuth) } })],
    ['a second extended key usage', streamSigner(root, { extensions: { extKeyUsage: ext.extKeyUsage(oid.revocationStreamSigning, oid.clientAuth) } })],
    ['no extended key usage', streamSigner(root, { extensions: { extKeyUsage: undefined } })],
    ['a SPIFFE ID', streamSigner(root, { extensions: { names: ext.names({ uris: ['spiffe://example.org/web'] }) } })],
    ['cA', streamSigner(root, { extensions: { basicConstraints: ext.basicConstraints(true) } })],
    ['keyCertSign', streamSigner(root, { extensions: { keyUsage: ext.keyUsage(digitalSignature | keyUsageBit.keyCertSign) } })],
    ['a life of two days', streamSigner(root, { notAfterMs: nowMs + 172_800_000 })],
    ['an end in the past', streamSigner(root, { notAfterMs: nowMs - 1_000 })],
    ['a signature by another key', streamSigner(root, { signer: PrivateKey.generate() })],
    ['an unknown critical extension', streamSigner(root, { extensions: { unknown: ext.unknown(true) } })],
  ])('with %s is refused', (_name, signer) => {
    expect(verifySignerChain([signer.der], anchors, nowMs).kind).toBe('refused')
  })

  test('of garbage is refused, and nothing throws', () => {
    expect(verifySignerChain([], anchors, nowMs).kind).toBe('refused')
    expect(verifySignerChain([new Uint8Array(50)], anchors, nowMs).kind).toBe('refused')
  })
})
