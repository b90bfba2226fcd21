import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RevocationEvent } from '../../../src/core/revocation/codec.ts'
import type { StreamFollower } from '../../../src/core/revocation/follower.ts'
import { isWithin, skewOf, stalenessLimitMs } from '../../../src/core/revocation/freshness.ts'
import { sealFrame } from '../../../src/core/revocation/frame.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { sha256, SimStream, toyFollower, toySign } from '../../support/revocation/sim-stream.ts'
import { anyEvent } from './arbitraries.ts'

const t0 = 1_000_000
const unknown = { ageMs: 0, aheadMs: 0, behindMs: 0 }
const at = (ms: number): { nowMs: number; bootMs: number } => ({ nowMs: ms, bootMs: ms - t0 + 500 })

function revoke(index: number): RevocationEvent {
  return { kind: 'revoked', shard: 1, minute: 100, index }
}

function streamOf(count: number): SimStream {
  const stream = new SimStream()
  stream.append({ kind: 'authority_indexed', authorityId: 'aa'.repeat(32) })
  for (let index = 1; index < count; index++) stream.append(revoke(index))
  return stream
}

function followerAt(stream: SimStream, seq: number, ms = t0): StreamFollower {
  const follower = toyFollower()
  for (const frame of stream.snapshot(seq, ms)) follower.receive(frame, at(ms))
  return follower
}

function rootsAgree(follower: StreamFollower, stream: SimStream, seq: number): boolean {
  return Buffer.from(follower.set.root(sha256)).equals(Buffer.from(stream.setAt(seq).root(sha256)))
}

describe('a reader of the stream', () => {
  test('knows nothing before its first snapshot', () => {
    const stream = streamOf(3)
    const follower = toyFollower()
    expect(follower.receive(stream.batch(1, 3, t0), at(t0))).toEqual({ kind: 'gap', why: 'no_state' })
    expect(follower.receive(stream.heartbeat(3, t0), at(t0))).toEqual({ kind: 'gap', why: 'no_state' })
    expect(follower.freshness(at(t0))).toBeUndefined()
    expect(follower.receive(stream.snapshot(3, t0)[0] ?? new Uint8Array(0), at(t0))).toEqual({ kind: 'replaced' })
    expect(follower.position).toEqual(stream.headAt(3))
  })

  test('applies what is next, passes over what it has, and takes what is new of an overlapping batch', () => {
    const stream = streamOf(8)
    const follower = followerAt(stream, 3)
    expect(follower.receive(stream.batch(4, 5, t0 + 1), at(t0 + 1))).toMatchObject({ kind: 'applied', events: [revoke(3), revoke(4)] })
    expect(follower.receive(stream.batch(4, 5, t0 + 1), at(t0 + 2)).kind).toBe('duplicate')
    expect(follower.receive(stream.batch(2, 3, t0 + 1), at(t0 + 2)).kind).toBe('duplicate')
    expect(follower.receive(stream.batch(2, 7, t0 + 3), at(t0 + 3))).toMatchObject({ kind: 'applied', events: [revoke(5), revoke(6)] })
    expect(follower.position.seq).toBe(7)
    expect(rootsAgree(follower, stream, 7)).toBe(true)
  })

  test('asks for a snapshot after a gap and after another history', () => {
    const stream = streamOf(8)
    const follower = followerAt(stream, 3)
    expect(follower.receive(stream.batch(5, 6, t0 + 1), at(t0 + 1))).toEqual({ kind: 'gap', why: 'seq' })
    expect(follower.receive(stream.heartbeat(4, t0 + 1), at(t0 + 1))).toEqual({ kind: 'gap', why: 'seq' })
    const fork = new SimStream()
    for (let index = 0; index < 6; index++) fork.append(revoke(30 + index))
    expect(follower.receive(fork.batch(4, 5, t0 + 1), at(t0 + 1))).toEqual({ kind: 'gap', why: 'hash' })
    expect(follower.receive(fork.batch(2, 5, t0 + 1), at(t0 + 1))).toEqual({ kind: 'gap', why: 'hash' })
    expect(follower.receive(fork.heartbeat(3, t0 + 1), at(t0 + 1))).toEqual({ kind: 'gap', why: 'hash' })
    expect(follower.receive(new SimStream(2).heartbeat(0, t0 + 1), at(t0 + 1))).toEqual({ kind: 'gap', why: 'epoch' })
    expect(rootsAgree(follower, stream, 3)).toBe(true)
  })

  test('a heartbeat whose root is not its own means a snapshot', () => {
    const stream = streamOf(3)
    const follower = followerAt(stream, 3)
    expect(follower.receive(stream.heartbeat(3, t0 + 1_000), at(t0 + 1_000))).toEqual({ kind: 'confirmed' })
    follower.set.apply(revoke(40))
    expect(follower.receive(stream.heartbeat(3, t0 + 2_000), at(t0 + 2_000))).toEqual({ kind: 'gap', why: 'root' })
  })

  test('refuses what is not signed by a known key, with any bit changed, or malformed', () => {
    const stream = streamOf(5)
    const follower = followerAt(stream, 3)
    const frame = stream.batch(4, 5, t0 + 1)
    for (let position = 0; position < frame.length; position++) {
      const broken = frame.slice()
      broken[position] = (broken[position] ?? 0) ^ 1
      expect(follower.receive(broken, at(t0 + 1)).kind).toBe('forged')
    }
    const batch = { epoch: 1, seq: 4, chainHash: stream.hashAt(3), signedAtMs: t0, floorMinute: 0, complete: true, kind: 'batch', events: stream.events.slice(3) } as const
    expect(follower.receive(sealFrame(batch, new Uint8Array(32), toySign), at(t0 + 1))).toEqual({ kind: 'forged', why: 'unknown_key' })
    expect(follower.position.seq).toBe(3)
  })

  test('an event of an unknown type from 128 on is passed over and stays in the chain', () => {
    const stream = streamOf(3)
    stream.appendBytes(Uint8Array.of(200, 0, 2, 1, 1))
    stream.append(revoke(9))
    const follower = followerAt(stream, 3)
    expect(follower.receive(stream.batch(4, 5, t0), at(t0)).kind).toBe('applied')
    expect(follower.receive(stream.heartbeat(5, t0 + 1), at(t0 + 1))).toEqual({ kind: 'confirmed' })
  })

  test('an older epoch is refused, a newer one starts from its snapshot', () => {
    const old = streamOf(5)
    const next = new SimStream(9)
    next.append(revoke(1))
    const follower = followerAt(old, 5)
    expect(follower.receive(next.snapshot(1, t0 + 5)[0] ?? new Uint8Array(0), at(t0 + 5))).toEqual({ kind: 'replaced' })
    expect(follower.receive(old.batch(5, 5, t0 + 6), at(t0 + 6))).toEqual({ kind: 'stale_epoch' })
    expect(follower.receive(old.snapshot(5, t0 + 6)[0] ?? new Uint8Array(0), at(t0 + 6))).toEqual({ kind: 'stale_epoch' })
    expect(follower.highest).toEqual(next.headAt(1))
  })

  test('a signer that fell behind what was accepted is a rollback, a late frame is not', () => {
    const stream = streamOf(6)
    const follower = followerAt(stream, 6)
    const before = stream.heartbeat(4, t0 - 500)
    expect(follower.receive(before, at(t0 + 100))).toEqual({ kind: 'duplicate' })
    expect(follower.receive(stream.heartbeat(4, t0 + 500), at(t0 + 500))).toEqual({ kind: 'rollback', why: 'seq' })
    expect(follower.receive(stream.snapshot(4, t0 + 500)[0] ?? new Uint8Array(0), at(t0 + 500))).toEqual({ kind: 'rollback', why: 'seq' })
    expect(rootsAgree(follower, stream, 6)).toBe(true)
  })

  test('a heartbeat that a batch overtook is late, not a rollback', () => {
    const stream = streamOf(6)
    const follower = followerAt(stream, 5)
    const beat = stream.heartbeat(5, t0 + 1_000)
    expect(follower.receive(stream.batch(6, 6, t0 + 1_200), at(t0 + 1_300)).kind).toBe('applied')
    expect(follower.receive(beat, at(t0 + 1_400))).toEqual({ kind: 'duplicate' })
  })

  test('the highest head outlives a restart: another history is refused, and an older state is never fresh', () => {
    const stream = streamOf(6)
    const highest = followerAt(stream, 5).highest
    const fork = new SimStream()
    for (let index = 0; index < 6; index++) fork.append(revoke(30 + index))
    const kinds = (frames: readonly Uint8Array[], follower: StreamFollower): string[] =>
      frames.map((frame) => {
        const outcome = follower.receive(frame, at(t0 + 10))
        return outcome.kind === 'rollback' ? `rollback ${outcome.why}` : outcome.kind
      })
    expect(kinds([...fork.snapshot(5, t0 + 5), ...fork.snapshot(4, t0 + 5), fork.batch(5, 6, t0 + 5), fork.heartbeat(6, t0 + 5)], toyFollower(highest))).toEqual(['rollback hash', 'replaced', 'rollback hash', 'gap'])

    const rolledBack = toyFollower(highest)
    expect(kinds([...stream.snapshot(4, t0 + 5), stream.heartbeat(4, t0 + 6)], rolledBack)).toEqual(['replaced', 'rollback seq'])
    expect(rolledBack.freshness(at(t0 + 10))).toBeUndefined()
    expect(rolledBack.highest).toEqual(highest)

    const relayed = toyFollower(highest)
    expect(kinds([...stream.snapshot(3, t0 + 5), stream.batch(4, 4, t0 + 5), stream.batch(5, 6, t0 + 5), stream.heartbeat(6, t0 + 6)], relayed)).toEqual(['replaced', 'applied', 'applied', 'confirmed'])
    expect(relayed.freshness(at(t0 + 10))?.ageMs).toBe(4)
  })

  test('a snapshot of the same epoch that lacks a bit we have is a rollback', () => {
    const stream = streamOf(4)
    const follower = followerAt(stream, 3)
    follower.set.apply(revoke(33))
    expect(follower.receive(stream.snapshot(4, t0 + 1)[0] ?? new Uint8Array(0), at(t0 + 1))).toEqual({ kind: 'rollback', why: 'bits' })
  })

  test('a snapshot in parts counts once all parts are here, in any order, and a mix of two does not', () => {
    const stream = new SimStream()
    for (let minute = 100; minute < 120; minute++) stream.append({ kind: 'revoked', shard: 1, minute, index: 3 })
    const parts = stream.snapshot(20, t0, 60)
    const others = stream.snapshot(20, t0 + 1, 60)
    expect(parts.length).toBeGreaterThan(3)
    const follower = toyFollower()
    const kinds = [...parts.slice(1).reverse(), parts[0] ?? new Uint8Array(0)].map((frame) => follower.receive(frame, at(t0)).kind)
    expect(kinds.slice(0, -1).every((kind) => kind === 'partial')).toBe(true)
    expect(kinds.at(-1)).toBe('replaced')
    const mixed = toyFollower()
    for (const frame of [...parts.slice(0, -1), ...others.slice(-1)]) expect(mixed.receive(frame, at(t0)).kind).toBe('partial')
    expect(rootsAgree(follower, stream, 20)).toBe(true)
  })

  test('buckets below the floor of a frame are dropped, and a floor never sinks within an epoch', () => {
    const stream = streamOf(3)
    const follower = followerAt(stream, 3)
    stream.floorMinute = 101
    expect(follower.receive(stream.heartbeat(3, t0 + 1), at(t0 + 1))).toEqual({ kind: 'confirmed' })
    expect(follower.set.floorMinute).toBe(101)
    stream.floorMinute = 50
    expect(follower.receive(stream.heartbeat(3, t0 + 2), at(t0 + 2))).toEqual({ kind: 'confirmed' })
    for (const frame of stream.snapshot(3, t0 + 3)) follower.receive(frame, at(t0 + 3))
    expect(follower.set.floorMinute).toBe(101)
  })
})

describe('freshness', () => {
  test('is the worse of the wall clock and of the time since receipt', () => {
    const stream = streamOf(1)
    const follower = followerAt(stream, 1)
    expect(follower.freshness({ nowMs: t0 + 200, bootMs: 500 })?.ageMs).toBe(200)
    expect(follower.freshness({ nowMs: t0 - 60_000, bootMs: 500 + 5_000 })).toEqual({ ageMs: 5_000, aheadMs: 60_000, behindMs: 0 })
  })

  test('receiving the same frame again does not refresh', () => {
    const stream = streamOf(1)
    const follower = followerAt(stream, 1)
    const beat = stream.heartbeat(1, t0 + 1_000)
    follower.receive(beat, at(t0 + 1_000))
    follower.receive(beat, at(t0 + 9_000))
    expect(follower.freshness(at(t0 + 9_000))?.ageMs).toBe(8_000)
  })

  test('a batch that does not reach the head does not refresh', () => {
    const stream = streamOf(5)
    const follower = followerAt(stream, 3)
    follower.receive(stream.batch(4, 4, t0 + 9_000, false), at(t0 + 9_000))
    expect(follower.freshness(at(t0 + 9_000))?.ageMs).toBe(9_000)
  })

  test('a signer whose clock runs ahead makes nobody fresh, and setting it right heals', () => {
    const stream = streamOf(1)
    const follower = followerAt(stream, 1)
    follower.receive(stream.heartbeat(1, t0 + 3_600_000), at(t0 + 1_000))
    expect(isWithin(follower.freshness(at(t0 + 1_000)), 'strict')).toBe(false)
    follower.receive(stream.heartbeat(1, t0 + 2_000), at(t0 + 2_000))
    expect(isWithin(follower.freshness(at(t0 + 2_000)), 'strict')).toBe(true)
  })

  test('is told by the signer\'s clock once that was measured, whatever this machine\'s says', () => {
    const stream = streamOf(1)
    const follower = followerAt(stream, 1)
    const nonce = new Uint8Array(16).fill(9)
    const away = 3_600_000
    // this machine is an hour behind: the same moments, by its clock
    const local = (ms: number) => ({ nowMs: t0 + ms - away, bootMs: 500 + ms })
    follower.receive(stream.heartbeat(1, t0 + 1_000), local(1_000))
    expect(skewOf(follower.freshness(local(1_000)) ?? unknown)).toBe(away)
    follower.asksTime(nonce, local(2_000))
    expect(follower.receive(stream.time([new Uint8Array(16), nonce], t0 + 2_010), local(2_040))).toEqual({ kind: 'timed' })
    expect(follower.receive(stream.time([nonce], t0 + 9_000), local(2_050))).toEqual({ kind: 'duplicate' })
    const measured = follower.freshness(local(2_040))
    expect(measured).toEqual({ ageMs: 1_050, aheadMs: away - 30, behindMs: 0 })
    // set right: fresh at once, and the age is still told by the signer's clock
    expect(follower.freshness({ nowMs: t0 + 2_500, bootMs: 500 + 2_500 })).toEqual({ ageMs: 1_510, aheadMs: 0, behindMs: 0 })
    // and an hour ahead
    const ahead = follower.freshness({ nowMs: t0 + 2_500 + away, bootMs: 500 + 2_500 })
    expect([ahead?.ageMs, skewOf(ahead ?? unknown)]).toEqual([1_510, -(away - 10)])
    expect(isWithin(ahead, 'standard')).toBe(false)
  })

  test('a measurement that took over five seconds says nothing, and one of five minutes ago no more', () => {
    const stream = streamOf(1)
    const follower = followerAt(stream, 1)
    const nonce = new Uint8Array(16).fill(9)
    follower.asksTime(nonce, at(t0))
    expect(follower.receive(stream.time([nonce], t0 + 60_000), at(t0 + 5_001))).toEqual({ kind: 'duplicate' })
    follower.asksTime(nonce, at(t0 + 6_000))
    expect(follower.receive(stream.time([nonce], t0 + 66_000), at(t0 + 6_000))).toEqual({ kind: 'timed' })
    expect(follower.freshness(at(t0 + 300_000))?.aheadMs).toBe(60_000)
    expect(follower.freshness(at(t0 + 306_001))?.aheadMs).toBe(0)
  })

  test('when measurements are asked for and held back, strict refuses after five seconds, until one is answered; an earlier one serves for five minutes', () => {
    const stream = streamOf(1)
    const follower = followerAt(stream, 1)
    const nonce = new Uint8Array(16).fill(9)
    const beat = (ms: number): void => void follower.receive(stream.heartbeat(1, t0 + ms), at(t0 + ms))
    const fresh = (ms: number) => [isWithin(follower.freshness(at(t0 + ms)), 'strict'), isWithin(follower.freshness(at(t0 + ms)), 'standard')]
    beat(1_000)
    expect(fresh(1_000)).toEqual([true, true])
    follower.asksTime(nonce, at(t0 + 1_000))
    beat(6_000)
    expect(fresh(6_000)).toEqual([true, true])
    follower.asksTime(nonce, at(t0 + 6_000))
    beat(6_001)
    expect(fresh(6_001)).toEqual([false, true])
    follower.receive(stream.time([nonce], t0 + 6_002), at(t0 + 6_002))
    expect(fresh(6_002)).toEqual([true, true])
    follower.asksTime(nonce, at(t0 + 60_000))
    beat(306_000)
    expect(fresh(306_000)).toEqual([true, true])
    beat(306_003)
    expect(fresh(306_003)).toEqual([false, true])
  })

  test('property: whoever delays the nonce, the answer or the frames makes a reader staler and never fresher', () => {
    const delay = fc.integer({ min: 0, max: 8_000 })
    fc.assert(
      fc.property(delay, delay, delay, fc.integer({ min: -100_000, max: 100_000 }), fc.integer({ min: 0, max: 20_000 }), (up, down, late, wallMs, laterMs) => {
        const stream = streamOf(1)
        const follower = followerAt(stream, 1)
        const nonce = new Uint8Array(16).fill(9)
        // true time is the signer's clock; the reader's wall clock is off by wallMs
        const local = (trueMs: number) => ({ nowMs: trueMs + wallMs, bootMs: trueMs - t0 })
        follower.asksTime(nonce, local(t0))
        const timed = follower.receive(stream.time([nonce], t0 + up), local(t0 + up + down)).kind === 'timed'
        const signedAtMs = t0 + up + down
        follower.receive(stream.heartbeat(1, signedAtMs), local(signedAtMs + late))
        const now = signedAtMs + late + laterMs
        const freshness = follower.freshness(local(now))
        const isFresh = isWithin(freshness, 'strict')
        if (timed && isFresh) expect(now - signedAtMs).toBeLessThanOrEqual(3_000)
        if (timed && freshness !== undefined && skewOf(freshness) !== undefined) expect(Math.abs(wallMs)).toBeGreaterThan(1_000)
      }),
    )
  })

  test('classes: strict 3 s, standard 15 s, nothing received is never within', () => {
    expect(isWithin({ ageMs: 3_000, aheadMs: 0, behindMs: 0 }, 'strict')).toBe(true)
    expect(isWithin({ ageMs: 3_001, aheadMs: 0, behindMs: 0 }, 'strict')).toBe(false)
    expect(isWithin({ ageMs: 15_000, aheadMs: 0, behindMs: 0 }, 'standard')).toBe(true)
    expect(isWithin({ ageMs: 15_001, aheadMs: 0, behindMs: 0 }, 'standard')).toBe(false)
    expect(isWithin(undefined, 'standard')).toBe(false)
  })
})

describe('properties', () => {
  test('whatever is delivered, late, twice, crossed, out of order or not at all, the state is one that the signer had, and asking for snapshots catches up', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), events: fc.array(anyEvent, { minLength: 1, maxLength: 4 }) }),
      fc.record({ kind: fc.constant('batch' as const), from: fc.nat({ max: 40 }), length: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ kind: fc.constant('beat' as const) }),
      fc.record({ kind: fc.constant('snapshot' as const) }),
      fc.record({ kind: fc.constant('deliver' as const), pick: fc.nat() }),
      fc.record({ kind: fc.constant('restart' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const stream = new SimStream()
        const wire: Uint8Array[] = []
        let follower = toyFollower()
        let ms = t0
        let highest = 0
        for (const item of steps) {
          ms += 10
          const head = stream.events.length
          if (item.kind === 'append') for (const event of item.events) stream.append(event)
          if (item.kind === 'batch' && item.from < head) wire.push(stream.batch(item.from + 1, Math.min(head, item.from + item.length), ms))
          if (item.kind === 'beat') wire.push(stream.heartbeat(head, ms))
          if (item.kind === 'snapshot') wire.push(...stream.snapshot(head, ms, 100))
          if (item.kind === 'restart') follower = toyFollower(follower.highest)
          const frame = item.kind === 'deliver' ? wire[item.pick % Math.max(1, wire.length)] : undefined
          if (frame !== undefined) {
            const outcome = follower.receive(frame, at(ms))
            expect(outcome.kind).not.toBe('forged')
            const { seq } = follower.position
            expect(rootsAgree(follower, stream, seq)).toBe(true)
            expect(Buffer.from(follower.position.chainHash).equals(Buffer.from(stream.hashAt(seq)))).toBe(true)
          }
          const reached = follower.highest?.seq ?? 0
          expect(reached).toBeGreaterThanOrEqual(highest)
          highest = reached
        }
        for (const frame of stream.snapshot(stream.events.length, ms + 1)) follower.receive(frame, at(ms + 1))
        expect(follower.receive(stream.heartbeat(stream.events.length, ms + 2), at(ms + 2))).toEqual({ kind: 'confirmed' })
        expect(rootsAgree(follower, stream, stream.events.length)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('acknowledged + limit + 1 s: no fresh reader accepts, over delays, drops, reordering, suspension and clocks within a second', () => {
    const schedule = fc.record({
      skewMs: fc.integer({ min: -1_000, max: 1_000 }),
      revokeAtMs: fc.integer({ min: 0, max: 5_000 }),
      limit: fc.constantFrom('strict' as const, 'standard' as const),
      delays: fc.array(fc.option(fc.integer({ min: 0, max: 30_000 })), { minLength: 30, maxLength: 30 }),
      batchDelayMs: fc.option(fc.integer({ min: 0, max: 40_000 })),
      wallJumpsBack: fc.boolean(),
    })
    fc.assert(
      fc.property(schedule, ({ skewMs, revokeAtMs, limit, delays, batchDelayMs, wallJumpsBack }) => {
        const stream = new SimStream()
        stream.append({ kind: 'authority_indexed', authorityId: 'aa'.repeat(32) })
        const follower = toyFollower()
        const deliveries: { readonly atMs: number; readonly frames: readonly Uint8Array[] }[] = []
        let revoked = false
        delays.forEach((delay, second) => {
          if (!revoked && second * 1_000 >= revokeAtMs) {
            stream.append(revoke(1))
            revoked = true
            if (batchDelayMs !== null) deliveries.push({ atMs: revokeAtMs + batchDelayMs, frames: [stream.batch(2, 2, t0 + revokeAtMs)] })
          }
          const frames = second % 7 === 0 ? stream.snapshot(stream.events.length, t0 + second * 1_000) : [stream.heartbeat(stream.events.length, t0 + second * 1_000)]
          if (delay !== null) deliveries.push({ atMs: second * 1_000 + delay, frames })
        })
        const acknowledgedAt = Math.max(revokeAtMs, Math.ceil(revokeAtMs / 1_000) * 1_000)
        const facts = { id: parseSpiffeId('spiffe://td/some'), serial: Uint8Array.from([1, 0, 0, 0, 100, 0, 0, 0, 1, ...new Uint8Array(8)]), notAfterMs: 100 * 60_000, authorityId: 'aa'.repeat(32), aboveIds: [] }
        const moments = [...deliveries.map(({ atMs }) => atMs), ...Array.from({ length: 140 }, (_, at250) => at250 * 250)].sort((a, b) => a - b)
        const pending = [...deliveries].sort((a, b) => a.atMs - b.atMs)
        for (const ms of moments) {
          const jumpMs = wallJumpsBack && ms > 12_000 ? -6_000 : 0
          const time = { nowMs: t0 + ms + skewMs + jumpMs, bootMs: ms }
          while ((pending[0]?.atMs ?? Number.POSITIVE_INFINITY) <= ms) for (const frame of pending.shift()?.frames ?? []) follower.receive(frame, time)
          // A wall clock set back by more than a second is no clock within a second: then only the time since receipt is sure.
          if (jumpMs !== 0) continue
          const accepts = isWithin(follower.freshness(time), limit) && follower.set.check(facts).kind === 'good'
          if (ms > acknowledgedAt + stalenessLimitMs[limit] + 1_000) expect(accepts).toBe(false)
        }
      }),
      { numRuns: 500 },
    )
  })
})
