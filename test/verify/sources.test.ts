import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RevocationRelay } from '../../agent/relay/revocation-relay.ts'
import { RevocationStream } from '../../server/revocation/stream.ts'
import { StreamSigner } from '../../server/revocation/stream-signer.ts'
import { emptyChainHash, type RevocationEvent } from '../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { isWithin } from '../../src/core/revocation/freshness.ts'
import { minuteOf } from '../../src/core/serial.ts'
import { BundleSet, RevocationFeed } from '../../src/verify/index.ts'
import type { StreamSource } from '../../src/verify/source-link.ts'
import { KeptLog, SeededRandom } from '../support/agent/quiet.ts'
import { FakeClock, settle } from '../support/fake-clock.ts'
import { FakeStreamStore } from '../support/revocation/fake-stream-store.ts'
import { HostileRelay, attacks, type Attack } from '../support/revocation/hostile-relay.ts'
import { authority, nowMs, serialFor, someId, streamSigner, trustDomain } from '../support/verify/certificates.ts'

const root = authority('root')
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
const anchors = bundles.authoritiesOf(trustDomain)
const nowhere: StreamHead = { epoch: 0, seq: 0, chainHash: emptyChainHash }
const notAfterMs = nowMs + 900_000

let clock: FakeClock
let log: KeptLog
let store: FakeStreamStore
let signer: StreamSigner
let stream: RevocationStream
let ends: AbortController
let hostile: HostileRelay
let second: HostileRelay
let feed: RevocationFeed
let revoked: number

beforeEach(async () => {
  clock = new FakeClock(nowMs)
  log = new KeptLog()
  store = new FakeStreamStore()
  ends = new AbortController()
  revoked = 0
  store.commit({ kind: 'authority_indexed', authorityId: root.id })
  signer = StreamSigner.start({ clock, logger: log, certify: async (spki) => Promise.resolve([streamSigner(root, { spki, notBeforeMs: nowMs - 10_000, notAfterMs: nowMs + 82_000_000 }).der]) })
  stream = await RevocationStream.start({ store, signer, clock, logger: new KeptLog() })
  hostile = new HostileRelay('first', relayOf('first'), clock)
  second = new HostileRelay('second', relayOf('second'), clock)
  await clock.advance(2_000)
})

afterEach(async () => {
  ends.abort()
  await feed[Symbol.asyncDispose]()
  await stream[Symbol.asyncDispose]()
  await signer[Symbol.asyncDispose]()
  await settle()
  expect(clock.sleeping).toBe(0)
})

/** An honest relay of the stream. */
function relayOf(name: string): StreamSource {
  const relay: RevocationRelay = new RevocationRelay({ maxReaders: 10, maxFrames: 500 }, { clock, log: new KeptLog(), anchors: () => anchors, askTime: async (nonces) => Promise.resolve(stream.time(nonces)), wantSnapshot: () => void pump(true) })
  const pump = async (isOnce: boolean): Promise<void> => {
    for await (const message of stream.watch(isOnce ? nowhere : relay.reader.position, ends.signal)) if (relay.accept(message).kind === 'replaced' && isOnce) return
  }
  void pump(false)
  return { name, open: (position, signal) => relay.watch(position, signal), time: async (nonce) => relay.time([nonce]) }
}

/** A verifier with two sources, once it has the stream. */
async function start(): Promise<void> {
  feed = await RevocationFeed.start(
    { trustDomain },
    { clock, random: new SeededRandom(), logger: log, bundles: () => bundles, name: 'first', open: (position, signal) => hostile.open(position, signal), time: (nonce, signal) => hostile.time(nonce, signal), others: [second] },
  )
  await clock.advance(5_000)
}

/** Ends a credential, and says how it is told from the others. */
function revoke(): number {
  const index = revoked++
  store.commit({ kind: 'revoked', shard: 1, minute: minuteOf(notAfterMs), index } satisfies RevocationEvent)
  return index
}

function isRefused(index: number): boolean {
  return feed.check({ serial: serialFor(notAfterMs, index), notAfterMs, authorityId: root.id, aboveIds: [], id: someId }).kind === 'revoked'
}

const why: Readonly<Record<Attack, readonly string[]>> = {
  'flips a byte': ['forged'],
  'signs itself': ['forged'],
  'sends garbage': ['forged'],
  'claims a higher epoch': ['forged'],
  'replays what it heard': ['behind', 'rollback', 'withheld'],
  'withholds batches': ['withheld', 'rollback', 'behind'],
  'withholds odd batches': ['withheld'],
  'withholds even batches': ['withheld'],
  'withholds heartbeats and batches': ['silent'],
  delays: ['behind', 'silent'],
  reorders: ['withheld'],
  'answers the time with old frames': ['time'],
  'withholds the time': ['time'],
  closes: ['gone'],
}

const takeovers = (): readonly unknown[] => log.facts.filter(({ event }) => event === 'revocation.source_left').map((fact) => fact['why'])

describe('a relay that', () => {
  test.each(attacks)('%s is left for the second; nobody who is fresh accepts what was revoked', async (attack) => {
    await start()
    expect(feed.sources.map(({ isCurrent }) => isCurrent)).toEqual([true, false])
    expect(isWithin(feed.freshness(), 'strict')).toBe(true)
    hostile.attack = attack
    let unfreshMs = 0
    for (let at = 0; at < (attack.includes('time') ? 70_000 : 20_000); at += 250) {
      if (at % 3_000 === 0) {
        revoke()
        await settle()
      }
      await clock.advance(250)
      if (!isWithin(feed.freshness(), 'strict')) unfreshMs += 250
      else for (let index = 0; index < revoked - 2; index++) expect(isRefused(index)).toBe(true) // the last but one was acknowledged more than 3 s ago
    }
    expect(takeovers()).toHaveLength(1)
    expect(why[attack]).toContain(takeovers()[0])
    expect(feed.sources.map(({ isCurrent }) => isCurrent)).toEqual([false, true])
    expect(unfreshMs).toBeLessThanOrEqual(1_000)
    expect(isRefused(revoked - 1)).toBe(true)
  })
})

test.each(attacks.filter((attack) => !attack.includes('time')))('a verifier that starts at a relay that %s has the stream from the second within seconds', async (attack) => {
  revoke()
  hostile.attack = attack
  await start()
  await clock.advance(attack === 'delays' ? 4_000 : 0)
  expect(isWithin(feed.freshness(), 'strict')).toBe(true)
  expect(isRefused(0)).toBe(true)
})

const pairs = attacks.flatMap((first, at) => [first, attacks[(at + 1) % attacks.length] ?? first, attacks[(at + 6) % attacks.length] ?? first].map((other): [Attack, Attack] => [first, other]))

test.each(pairs)('between a relay that %s and one that %s, nobody who is fresh accepts what was revoked, and the first honest word mends it', async (first, other) => {
  await start()
  hostile.attack = first
  second.attack = other
  for (let at = 0; at < 12_000; at += 250) {
    if (at % 3_000 === 0) {
      revoke()
      await settle()
    }
    await clock.advance(250)
    if (isWithin(feed.freshness(), 'strict')) for (let index = 0; index < revoked - 2; index++) expect(isRefused(index)).toBe(true)
  }
  second.attack = undefined
  for (let at = 0; at < 20_000 && !(isRefused(revoked - 1) && isWithin(feed.freshness(), 'strict')); at += 250) await clock.advance(250)
  expect(isRefused(revoked - 1)).toBe(true)
})

test('while all is well one source is read, and the other is not connected to', async () => {
  await start()
  await clock.advance(60_000)
  expect([hostile.opened, second.opened]).toEqual([1, 0])
  expect(takeovers()).toEqual([])
})

test('a relay that was away is gone back to once it has shown that it is good again; one that lied, later', async () => {
  await start()
  hostile.attack = 'closes'
  await clock.advance(5_000)
  expect(takeovers()).toEqual(['gone'])
  hostile.attack = undefined
  await clock.advance(40_000)
  expect(feed.sources.map(({ isCurrent }) => isCurrent)).toEqual([true, false])
  expect(log.facts.filter(({ event }) => event === 'revocation.source_back')).toHaveLength(1)
  hostile.attack = 'flips a byte'
  await clock.advance(2_000)
  expect(takeovers()).toEqual(['gone', 'forged'])
  hostile.attack = undefined
  await clock.advance(50_000)
  expect(feed.sources.map(({ isCurrent }) => isCurrent)).toEqual([false, true])
  await clock.advance(60_000)
  expect(feed.sources.map(({ isCurrent }) => isCurrent)).toEqual([true, false])
})

test('when both are gone the last state is served and ages; whichever comes back is read', async () => {
  await start()
  hostile.attack = 'closes'
  second.attack = 'closes'
  await clock.advance(60_000)
  expect(isWithin(feed.freshness(), 'standard')).toBe(false)
  second.attack = undefined
  await clock.advance(15_000)
  expect(isWithin(feed.freshness(), 'strict')).toBe(true)
})

test('a source that lies alone is read on, and what it says is not believed', async () => {
  await start()
  hostile.attack = 'flips a byte'
  second.attack = 'signs itself'
  const index = revoke()
  await clock.advance(30_000)
  expect(isRefused(index)).toBe(false)
  expect(isWithin(feed.freshness(), 'standard')).toBe(false)
  hostile.attack = undefined
  await clock.advance(20_000)
  expect(isRefused(index)).toBe(true)
  expect(isWithin(feed.freshness(), 'strict')).toBe(true)
})
