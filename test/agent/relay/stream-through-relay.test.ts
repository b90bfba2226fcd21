import { afterEach, beforeEach, expect, test } from 'vitest'
import { RevocationRelay } from '../../../agent/relay/revocation-relay.ts'
import { RevocationStream } from '../../../server/revocation/stream.ts'
import { StreamSigner } from '../../../server/revocation/stream-signer.ts'
import { emptyChainHash, type RevocationEvent } from '../../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../../src/core/revocation/follower.ts'
import { minuteOf } from '../../../src/core/serial.ts'
import { BundleSet, RevocationReader } from '../../../src/verify/index.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { FakeStreamStore } from '../../support/revocation/fake-stream-store.ts'
import { authority, nowMs, serialFor, someId, streamSigner, trustDomain } from '../../support/verify/certificates.ts'

const root = authority('root')
const anchors = BundleSet.of({ trustDomain, x509Authorities: [root.der] }).authoritiesOf(trustDomain)
const nowhere: StreamHead = { epoch: 0, seq: 0, chainHash: emptyChainHash }
const keyLifeMs = 600_000

let clock: FakeClock
let log: KeptLog
let store: FakeStreamStore
let signer: StreamSigner
let stream: RevocationStream
let relay: RevocationRelay
let ends: AbortController

beforeEach(async () => {
  clock = new FakeClock(nowMs)
  log = new KeptLog()
  store = new FakeStreamStore()
  ends = new AbortController()
  store.commit({ kind: 'authority_indexed', authorityId: root.id })
  const certify = async (spki: Uint8Array): Promise<readonly Uint8Array[]> => {
    const second = Math.floor(clock.nowMs() / 1_000) * 1_000
    return Promise.resolve([streamSigner(root, { spki, notBeforeMs: second - 10_000, notAfterMs: second + keyLifeMs }).der])
  }
  signer = StreamSigner.start({ clock, logger: log, certify })
  stream = await RevocationStream.start({ store, signer, clock, logger: log })
  relay = new RevocationRelay({ maxReaders: 10, maxFrames: 50 }, { clock, log, anchors: () => anchors, askTime: async (nonces) => Promise.resolve(stream.time(nonces)), wantSnapshot: () => void pump(true) })
  void pump(false)
  await settle()
})

afterEach(async () => {
  ends.abort()
  await stream[Symbol.asyncDispose]()
  await signer[Symbol.asyncDispose]()
})

/** What the agent's connection does: the stream into the relay; for a snapshot, until the relay has a whole one. */
async function pump(once: boolean): Promise<void> {
  const stopping = new AbortController()
  for await (const message of stream.watch(once ? nowhere : relay.reader.position, AbortSignal.any([ends.signal, stopping.signal]))) {
    const { kind } = relay.accept(message)
    if (once && kind === 'replaced') stopping.abort()
  }
}

interface Verifier {
  readonly reader: RevocationReader
  readonly kinds: string[]
}

function connect(): Verifier {
  const verifier: Verifier = { reader: new RevocationReader({ clock, anchors: () => anchors }), kinds: [] }
  const run = async (): Promise<void> => {
    for await (const message of relay.watch(nowhere, ends.signal)) verifier.kinds.push(verifier.reader.accept(message).kind)
  }
  void run().catch(() => undefined) // ends with the abort of the test
  return verifier
}

function revoke(index: number): RevocationEvent {
  return { kind: 'revoked', shard: 1, minute: minuteOf(nowMs + 900_000), index }
}

const bad = ['forged', 'signer_refused', 'gap', 'rollback', 'stale_epoch']

test('verifiers behind a relay are as fresh as it is, and refuse what the server revoked', async () => {
  const verifiers = [connect(), connect()]
  await settle()
  store.commit(revoke(3))
  await clock.advance(1_000)
  for (const { reader, kinds } of verifiers) {
    expect(kinds.filter((kind) => bad.includes(kind))).toEqual([])
    expect(reader.position).toEqual(stream.head)
    expect(reader.freshness()?.ageMs).toBeLessThanOrEqual(1_000)
    expect(reader.check({ id: someId, serial: serialFor(nowMs + 900_000, 3), notAfterMs: nowMs + 900_000, authorityId: root.id, aboveIds: [] }).kind).toBe('revoked')
  }
})

test('a newcomer can verify what the relay kept, long after the key that signed its first snapshot has ended', async () => {
  await clock.advance(keyLifeMs * 2)
  const { reader, kinds } = connect()
  await clock.advance(1_000)
  expect(kinds.filter((kind) => bad.includes(kind))).toEqual([])
  expect(reader.position).toEqual(stream.head)
  expect(reader.freshness()?.ageMs).toBeLessThanOrEqual(1_000)
})

test('many batches lead to a newer snapshot, and nobody notices but by being right', async () => {
  const early = connect()
  for (let index = 0; index < 200; index++) {
    store.commit(revoke(index))
    await clock.advance(60)
  }
  const late = connect()
  await clock.advance(1_100)
  for (const { reader, kinds } of [early, late]) {
    expect(kinds.filter((kind) => bad.includes(kind))).toEqual([])
    expect(reader.position).toEqual(stream.head)
  }
  expect(late.kinds.length).toBeLessThan(120)
})

test('a verifier measures the server\'s clock through the relay, many in one signed answer, and says by how much its own differs', async () => {
  let asked = 0
  const slow = new RevocationRelay(
    { maxReaders: 10, maxFrames: 50 },
    {
      clock,
      log,
      anchors: () => anchors,
      wantSnapshot: () => undefined,
      askTime: async (nonces) => {
        asked++
        await clock.sleep(20, ends.signal)
        return stream.time(nonces)
      },
    },
  )
  /** A machine whose wall clock is ten seconds ahead. */
  const skewed = { nowMs: () => clock.nowMs() + 10_000, bootMs: () => clock.bootMs() }
  const readers = Array.from({ length: 100 }, (_, at) => ({ nonce: new Uint8Array(16).fill(at), reader: new RevocationReader({ clock: { ...skewed, sleep: async (ms, signal) => clock.sleep(ms, signal) }, anchors: () => anchors }) }))
  const measured = readers.map(async ({ nonce, reader }) => {
    for await (const message of relay.watch(nowhere, ends.signal)) if (reader.accept(message).kind === 'confirmed') break
    reader.asksTime(nonce)
    return reader.accept(await slow.time([nonce])).kind
  })
  await clock.advance(1_000)
  expect(new Set(await Promise.all(measured))).toEqual(new Set(['timed']))
  expect(asked).toBeLessThanOrEqual(3)
  for (const { reader } of readers) {
    expect(reader.freshness()?.aheadMs).toBe(0)
    expect(reader.freshness()?.behindMs).toBeGreaterThan(9_900)
    expect(reader.freshness()?.behindMs).toBeLessThanOrEqual(10_000)
  }
})

test('when the server cannot be asked for the time, whoever asks is told, and the next one may ask again', async () => {
  const failing = new RevocationRelay({ maxReaders: 10, maxFrames: 50 }, { clock, log, anchors: () => anchors, wantSnapshot: () => undefined, askTime: async () => Promise.reject(new Error('away')) })
  await expect(failing.time([new Uint8Array(16)])).rejects.toThrow('away')
  await expect(failing.time([new Uint8Array(16)])).rejects.toThrow('away')
})
