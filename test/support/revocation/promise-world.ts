import type { ChainFacts } from '../../../src/core/revocation/check.ts'
import { decodeEvent, type RevocationEvent } from '../../../src/core/revocation/codec.ts'
import type { StreamFollower, StreamHead } from '../../../src/core/revocation/follower.ts'
import { isWithin, stalenessLimitMs, type ReaderTime } from '../../../src/core/revocation/freshness.ts'
import { floorMinuteAt } from '../../../src/core/revocation/set.ts'
import { encodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { parseSpiffeId, type SpiffeId } from '../../../src/core/spiffe-id.ts'
import { SimStream, toyFollower } from './sim-stream.ts'

/** A credential as a naive model keeps it. */
interface Credential {
  readonly facts: ChainFacts
  readonly shard: number
  readonly minute: number
  readonly index: number
  /** When its end, or its replacement, was acknowledged. */
  endedMs?: number
  supersededMs?: number
}

/** A frame as it left the signer. */
interface Sent {
  readonly frame: Uint8Array
  readonly atMs: number
}

/** What comes between the signer and the verifiers: it keeps all it ever got, and may pass on any of it. */
interface Relay {
  readonly log: Sent[]
  isCut: boolean
}

const relayCount = 2
export const verifierCount = 3
/** No wall clock is right: the signer's is what the others are compared with. */
const startMs = Date.UTC(2026, 0, 1, 12, 0, 20)
const tickMs = 500
const promisedSkewMs = 1_000
const toleranceMs = 1_000
const measurementLifeMs = 300_000
const answerLimitMs = 5_000

/** A verifier on a machine of its own. */
class Verifier {
  follower: StreamFollower = toyFollower()
  kept: StreamHead | undefined
  relay = 0
  /** Read of the relay's log up to here. */
  cursor = 0
  lagMs = 0
  isCut = false
  isSuspended = false
  skewMs = 0
  /** Longest that a frame was on its way. */
  worstDelayMs = 0
  measuredMs: number = Number.NEGATIVE_INFINITY
  unansweredMs: number | undefined
  asked: { readonly nonce: Uint8Array; readonly atMs: number; readonly answerAtMs: number; readonly backMs: number; answer?: Sent } | undefined
}

/**
 * The stream from commit to verdict, without a process or a socket: one signer with its durable events, two relays that may lie, verifiers with clocks of
 * their own; and beside it what a list of credentials says. One clock, that of the signer, tells when things are so.
 */
export class PromiseWorld {
  readonly credentials: Credential[] = []
  readonly relays: readonly Relay[] = Array.from({ length: relayCount }, () => ({ log: [], isCut: false }))
  readonly verifiers: readonly Verifier[] = Array.from({ length: verifierCount }, () => new Verifier())
  nowMs: number = startMs
  isRunning: boolean = true
  #stream = new SimStream(1)
  #backup: readonly Uint8Array[] = []
  #authority = 1
  #nextIndex = 0
  #nextBeatMs = startMs
  #nonce = 0
  readonly #snapshots: (readonly Sent[])[] = []

  constructor() {
    this.#commit({ kind: 'authority_indexed', authorityId: authorityIdOf(this.#authority) })
    this.#backup = [...this.#stream.events]
    this.pass(tickMs)
  }

  issue(id: SpiffeId, ttlMs: number): void {
    if (!this.isRunning) return
    const notAfterMs = Math.floor((this.nowMs + ttlMs) / 1_000) * 1_000
    const place = { shard: this.#authority, minute: minuteOf(notAfterMs), index: this.#nextIndex++ }
    const serial = encodeSerial({ ...place, random: new Uint8Array(8) })
    this.credentials.push({ ...place, facts: { id, serial, notAfterMs, authorityId: authorityIdOf(this.#authority), aboveIds: [] } })
  }

  revoke(at: number): void {
    const credential = this.#live(at)
    if (credential === undefined) return
    credential.endedMs ??= this.nowMs
    this.#commit({ kind: 'revoked', ...placeOf(credential) })
  }

  /** The one before is superseded. */
  renew(at: number): void {
    const credential = this.#live(at)
    if (credential === undefined || credential.supersededMs !== undefined || credential.endedMs !== undefined) return
    this.issue(credential.facts.id, 300_000)
    credential.supersededMs = this.nowMs
    this.#commit({ kind: 'superseded', ...placeOf(credential) })
  }

  closePrefix(prefix: SpiffeId): void {
    if (!this.isRunning) return
    const under = this.credentials.filter(({ facts }) => facts.id === prefix || facts.id.startsWith(`${prefix}/`))
    if (under.length === 0) return
    for (const credential of under) credential.endedMs ??= this.nowMs
    this.#commit({ kind: 'prefix_closed', prefix, minute: Math.max(...under.map(({ minute }) => minute)) })
  }

  /** An ID under a closed prefix is never issued again. */
  isClosed(id: SpiffeId): boolean {
    return this.#stream.events.some((bytes) => {
      const event = decodeEvent(bytes)
      return event?.kind === 'prefix_closed' && (id === event.prefix || id.startsWith(`${event.prefix}/`))
    })
  }

  backUp(): void {
    this.#backup = [...this.#stream.events]
  }

  /** The backup in a new epoch: every authority that it knows is ended, another signs. */
  restore(): void {
    const before = this.#authority
    this.#stream = new SimStream(this.#stream.epoch + 1)
    for (const bytes of this.#backup) this.#stream.appendBytes(bytes)
    this.#authority += 1
    this.isRunning = true
    for (const credential of this.credentials) credential.endedMs ??= this.nowMs
    for (let authority = 1; authority <= before; authority++) this.#stream.append({ kind: 'authority_revoked', authorityId: authorityIdOf(authority) })
    this.#commit({ kind: 'authority_indexed', authorityId: authorityIdOf(this.#authority) })
    this.#backup = [...this.#stream.events]
  }

  /** A process that is killed keeps what it wrote down: what it wrote last may be older than what it knew. */
  restart(verifier: Verifier, forgets: boolean): void {
    if (!forgets) verifier.kept = verifier.follower.highest
    verifier.follower = toyFollower(verifier.kept)
    verifier.cursor = 0
    verifier.measuredMs = Number.NEGATIVE_INFINITY
    verifier.unansweredMs = verifier.asked = undefined
    verifier.worstDelayMs = 0
    this.#askForSnapshot(verifier)
  }

  /** Any frame that a relay ever had, in any order and as often as it likes. */
  replay(verifier: Verifier, relay: number, pick: number): void {
    const { log } = this.relays[relay % relayCount] ?? { log: [] }
    const sent = log[Math.max(0, log.length - 1 - (pick % 60))]
    if (sent !== undefined && !verifier.isSuspended) this.#deliver(verifier, sent)
  }

  /** A whole snapshot that was once sent, however old. */
  replaySnapshot(verifier: Verifier, pick: number): void {
    if (verifier.isSuspended) return
    for (const sent of this.#snapshots[pick % Math.max(1, this.#snapshots.length)] ?? []) this.#deliver(verifier, sent)
  }

  /** Events that somebody had missed, but not all: such a batch says nothing of the head. */
  resend(verifier: Verifier, pick: number): void {
    const { epoch, seq } = verifier.follower.position
    const before = this.#stream.events.length - 1
    if (!this.isRunning || verifier.isSuspended || epoch !== this.#stream.epoch || seq >= before) return
    this.#stream.floorMinute = floorMinuteAt(this.nowMs)
    this.#deliver(verifier, { frame: this.#stream.batch(seq + 1, Math.min(before, seq + 1 + (pick % 4)), this.nowMs), atMs: this.nowMs })
  }

  switchRelay(verifier: Verifier): void {
    verifier.relay = (verifier.relay + 1) % relayCount
    verifier.cursor = Math.max(0, (this.relays[verifier.relay]?.log.length ?? 0) - 8)
  }

  /** Asks for the signer's time; request and answer take so long, and are lost when the signer is away. */
  measure(verifier: Verifier, outMs: number, backMs: number): void {
    if (verifier.isSuspended) return
    const nonce = new Uint8Array(16)
    new DataView(nonce.buffer).setUint32(0, ++this.#nonce)
    verifier.follower.asksTime(nonce, this.#timeOf(verifier))
    verifier.unansweredMs ??= this.nowMs
    verifier.asked = { nonce, atMs: this.nowMs, answerAtMs: this.nowMs + outMs, backMs }
    this.#answerTimes()
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= tickMs) {
      this.nowMs += Math.min(left, tickMs)
      if (this.isRunning && this.nowMs >= this.#nextBeatMs) {
        this.#nextBeatMs = this.nowMs + 1_000
        this.#send(() => [this.#stream.heartbeat(this.#stream.events.length, this.nowMs)])
      }
      this.#answerTimes()
      for (const verifier of this.verifiers) this.#follow(verifier)
      this.check()
    }
  }

  /** All that is promised at this moment. @throws when it is broken */
  check(): void {
    for (const [at, verifier] of this.verifiers.entries()) {
      if (verifier.isSuspended) continue
      const freshness = verifier.follower.freshness(this.#timeOf(verifier))
      for (const credential of this.credentials) {
        const { kind } = verifier.follower.set.check(credential.facts)
        if (kind === 'revoked' && credential.endedMs === undefined) throw new Error(`verifier ${at} refuses a live credential as revoked`)
        if (kind === 'superseded' && credential.supersededMs === undefined) throw new Error(`verifier ${at} refuses a live credential as superseded`)
        if (kind === 'authority_revoked' && credential.endedMs === undefined) throw new Error(`verifier ${at} refuses a live credential with its authority`)
        if (kind !== 'good') continue
        const refusedMs = Math.min(credential.endedMs ?? Number.POSITIVE_INFINITY, credential.supersededMs ?? Number.POSITIVE_INFINITY)
        for (const limit of ['strict', 'standard'] as const) {
          if (this.nowMs <= refusedMs + stalenessLimitMs[limit] + toleranceMs || !this.#isPromised(verifier, limit) || !isWithin(freshness, limit)) continue
          throw new Error(`verifier ${at} accepts under ${limit} what was ended ${this.nowMs - refusedMs} ms ago: ${JSON.stringify(freshness)}, its clock off by ${verifier.skewMs} ms`)
        }
      }
    }
  }

  /** Everything is mended: whether each verifier is fresh soon, and says of each credential what the list says. @throws when not */
  checkRecovery(): void {
    if (!this.isRunning) this.isRunning = true
    for (const relay of this.relays) relay.isCut = false
    for (const verifier of this.verifiers) {
      Object.assign(verifier, { isCut: false, isSuspended: false, skewMs: 0, lagMs: 0 })
      verifier.cursor = this.relays[verifier.relay]?.log.length ?? 0
      this.measure(verifier, 10, 10)
      this.#askForSnapshot(verifier)
    }
    this.pass(3_000)
    for (const [at, { follower }] of this.verifiers.entries()) {
      if (!isWithin(follower.freshness({ nowMs: this.nowMs, bootMs: this.nowMs - startMs }), 'strict')) throw new Error(`verifier ${at} does not become fresh`)
      for (const credential of this.credentials) {
        const { kind } = follower.set.check(credential.facts)
        const isOld = credential.facts.authorityId !== authorityIdOf(this.#authority)
        const wanted = isOld ? 'authority_revoked' : credential.minute < floorMinuteAt(this.nowMs) ? 'expired' : credential.endedMs !== undefined ? 'revoked' : credential.supersededMs !== undefined ? 'superseded' : 'good'
        if (kind !== wanted) throw new Error(`verifier ${at} says ${kind} of a credential that is ${wanted}`)
      }
    }
  }

  #live(at: number): Credential | undefined {
    if (!this.isRunning) return undefined
    const own = this.credentials.filter(({ facts, endedMs }) => facts.authorityId === authorityIdOf(this.#authority) && endedMs === undefined && facts.notAfterMs > this.nowMs)
    return own[at % Math.max(1, own.length)]
  }

  /** To a verifier whose clock is right to a second or was measured of late; whose frames all came within a second, whatever its clock; and, strict, to one that is not told the time. */
  #isPromised(verifier: Verifier, limit: 'strict' | 'standard'): boolean {
    const isMeasured = this.nowMs - verifier.measuredMs <= measurementLifeMs
    if (Math.abs(verifier.skewMs) <= promisedSkewMs || isMeasured || verifier.worstDelayMs <= toleranceMs) return true
    return limit === 'strict' && verifier.unansweredMs !== undefined && this.nowMs - verifier.unansweredMs > answerLimitMs
  }

  /** Acknowledged when this returns: it is durable, and on its way. */
  #commit(event: RevocationEvent): void {
    const seq = this.#stream.append(event)
    this.#send(() => [this.#stream.batch(seq, seq, this.nowMs, seq % 3 === 0)])
    if (seq % 4 === 0) this.#send(() => this.#snapshot())
    for (const verifier of this.verifiers) this.#follow(verifier)
  }

  #send(frames: () => readonly Uint8Array[]): void {
    this.#stream.floorMinute = floorMinuteAt(this.nowMs)
    for (const frame of frames()) for (const relay of this.relays) if (!relay.isCut) relay.log.push({ frame, atMs: this.nowMs })
  }

  #follow(verifier: Verifier): void {
    const log = this.relays[verifier.relay]?.log ?? []
    while (!verifier.isCut && !verifier.isSuspended && verifier.cursor < log.length) {
      const sent = log[verifier.cursor]
      if (sent === undefined || sent.atMs + verifier.lagMs > this.nowMs) return
      verifier.cursor += 1
      this.#deliver(verifier, sent)
    }
  }

  #deliver(verifier: Verifier, { frame, atMs }: Sent): void {
    verifier.worstDelayMs = Math.max(verifier.worstDelayMs, this.nowMs - atMs)
    const { kind } = verifier.follower.receive(frame, this.#timeOf(verifier))
    if (kind === 'gap') this.#askForSnapshot(verifier)
    // at most once a second in the product: here now and then
    if (atMs % 3_000 < tickMs) verifier.kept = verifier.follower.highest
  }

  /** What its relay can give: the signer's present one, or none. */
  #askForSnapshot(verifier: Verifier): void {
    const relay = this.relays[verifier.relay]
    if (verifier.isCut || verifier.isSuspended || verifier.lagMs > 0 || relay === undefined || relay.isCut || !this.isRunning) return
    this.#stream.floorMinute = floorMinuteAt(this.nowMs)
    for (const frame of this.#snapshot()) verifier.follower.receive(frame, this.#timeOf(verifier))
  }

  /** In parts of 60 bytes. */
  #snapshot(): readonly Uint8Array[] {
    const frames = this.#stream.snapshot(this.#stream.events.length, this.nowMs, 60)
    this.#snapshots.push(frames.map((frame) => ({ frame, atMs: this.nowMs })))
    return frames
  }

  #answerTimes(): void {
    for (const verifier of this.verifiers) {
      const { asked } = verifier
      if (asked === undefined || this.nowMs < asked.answerAtMs) continue
      if (asked.answer === undefined) {
        if (!this.isRunning || verifier.isCut) verifier.asked = undefined
        else asked.answer = { frame: this.#stream.time([asked.nonce], this.nowMs), atMs: this.nowMs }
      }
      if (asked.answer === undefined || verifier.isSuspended || this.nowMs < asked.answer.atMs + asked.backMs) continue
      verifier.asked = undefined
      if (verifier.follower.receive(asked.answer.frame, this.#timeOf(verifier)).kind !== 'timed') continue
      verifier.measuredMs = this.nowMs
      verifier.unansweredMs = undefined
    }
  }

  #timeOf({ skewMs }: Verifier): ReaderTime {
    return { nowMs: this.nowMs + skewMs, bootMs: this.nowMs - startMs }
  }
}

function placeOf({ shard, minute, index }: Credential): { readonly shard: number; readonly minute: number; readonly index: number } {
  return { shard, minute, index }
}

function authorityIdOf(authority: number): string {
  return authority.toString(16).padStart(64, '0')
}

/** A workload, and grants of it that lie in each other. */
export const promiseIds: readonly SpiffeId[] = ['/bot', '/bot/task/1', '/bot/task/1/sub/a', '/bot/task/2', '/bot/task/2/sub/a/sub/b'].map((path) => parseSpiffeId(`spiffe://td${path}`))
