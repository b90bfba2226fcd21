import { equalBytes, toHex } from '../../src/core/bytes.ts'
import { decodeFrameBody, openFrame } from '../../src/core/revocation/frame.ts'
import type { DecodedFrame, SnapshotFrame } from '../../src/core/revocation/frame.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { TrustAnchor } from '../../src/verify/bundle-set.ts'
import { RevocationReader } from '../../src/verify/reader.ts'
import type { ReaderOutcome, StreamFrame } from '../../src/verify/reader.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'
import { Notifier } from '../notifier.ts'
import { Wake } from '../wake.ts'
import { FrameLog } from './frame-log.ts'
import type { NewestHead } from './newest-head.ts'
import { TimeForwarder } from './time-forwarder.ts'
import type { LoggedFrame } from './frame-log.ts'

export interface RevocationRelayConfig {
  /** Most readers at once. */
  readonly maxReaders: number
  /** Most frames kept beyond the snapshot before a new snapshot is asked for. */
  readonly maxFrames: number
  /** {@link relayIdBytes} random ones that stand for this relay in the path of the stream; without them none is told. */
  readonly id?: Uint8Array
}

export interface RevocationRelayDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly anchors: () => readonly TrustAnchor[]
  /** The highest head that an earlier life of this agent accepted: a stream behind it is refused. */
  readonly highest?: StreamHead
  /** Keeps the newest frame that says where the stream was, to be shown to the server. */
  readonly newest?: NewestHead
  /** Asks for the stream from the beginning; what comes goes to {@link RevocationRelay.accept}. Because events were missed, or for newcomers, who would have to read a long way. */
  readonly wantSnapshot: (why: 'gap' | 'newcomers') => void
  /** Has the server's clock told to these nonces. */
  readonly askTime: (nonces: readonly Uint8Array[]) => Promise<StreamFrame>
}

export const relayIdBytes = 16
const maxChains = 64

/**
 * Passes the server's revocation stream on as it came, to any number of verifiers and further relays. It holds no signing key and
 * adds nothing; what its own reader refuses is not passed on.
 */
export class RevocationRelay {
  readonly #config: RevocationRelayConfig
  readonly #deps: RevocationRelayDeps
  readonly #log: FrameLog
  /** Certificates of signing keys, by key id in hexadecimal. */
  readonly #chains = new Map<string, readonly Uint8Array[]>()
  readonly #readers = new Map<Wake, Told>()
  readonly #times: TimeForwarder
  #heartbeat: LoggedFrame | undefined
  #parts: { readonly of: SnapshotFrame; readonly frames: LoggedFrame[] } | undefined
  #path: readonly Uint8Array[]

  /** What the relay itself knows. */
  readonly reader: RevocationReader
  /** How many readers there are now. */
  readonly readersChanged: Notifier<number> = new Notifier()
  /** The set is another. */
  readonly changed: Notifier<void> = new Notifier()

  constructor(config: RevocationRelayConfig, deps: RevocationRelayDeps) {
    this.#config = config
    this.#deps = deps
    this.#log = new FrameLog(config.maxFrames)
    this.#path = config.id === undefined ? [] : [config.id]
    this.#times = new TimeForwarder(deps.askTime)
    this.reader = new RevocationReader({ clock: deps.clock, anchors: deps.anchors }, deps.highest)
  }

  get readers(): number {
    return this.#readers.size
  }

  /** The newest frame that says where the stream was, of this life or an earlier one. */
  get newest(): StreamFrame | undefined {
    return this.#deps.newest?.newest
  }

  /** For how long the slowest reader has not taken what is there for it; 0 when all have. */
  get slowestReaderMs(): number {
    const nowMs = this.#deps.clock.bootMs()
    let most = 0
    for (const { behindSinceMs } of this.#readers.values()) if (behindSinceMs !== undefined) most = Math.max(most, nowMs - behindSinceMs)
    return most
  }

  get isFull(): boolean {
    return this.#readers.size >= this.#config.maxReaders
  }

  /** The relays between the server and those who read here, this one last. */
  get path(): readonly Uint8Array[] {
    return this.#path
  }

  /** The stream comes through these relays now. */
  comesThrough(path: readonly Uint8Array[]): void {
    const { id } = this.#config
    if (id === undefined || (path.length === this.#path.length - 1 && path.every((step, at) => equalBytes(step, this.#path[at] ?? id)))) return
    this.#path = [...path, id]
  }

  /** Takes a message of the server in, and passes it on if it is good. */
  accept(message: StreamFrame): ReaderOutcome {
    const outcome = this.reader.accept(message)
    if (outcome.kind === 'forged' || outcome.kind === 'signer_refused' || outcome.kind === 'rollback' || outcome.kind === 'stale_epoch') {
      this.#deps.log.warn({ event: 'revocation.refused_frame', outcome: outcome.kind, why: 'why' in outcome ? outcome.why : 'epoch' }, 'a frame of the revocation stream was refused')
      return outcome
    }
    const opened = openFrame(message.frame)
    const frame = opened === undefined ? undefined : decodeFrameBody(opened.body)
    if (opened === undefined || frame === undefined) return outcome
    const keyId = toHex(opened.keyId)
    if (message.signerChain.length > 0) this.#keep(keyId, message.signerChain)
    // copied: what the socket gave is a view into 64 KiB, which thousands of kept frames would hold
    const logged: LoggedFrame = { bytes: new Uint8Array(message.frame), keyId, epoch: frame.epoch, firstSeq: frame.seq, lastSeq: lastSeqOf(frame) }
    this.#file(outcome, frame, logged)
    if (outcome.kind === 'gap') this.#deps.wantSnapshot('gap')
    if (outcome.kind === 'applied' || outcome.kind === 'replaced') this.changed.emit()
    for (const wake of this.#readers.keys()) wake.ring()
    return outcome
  }

  /** The stream for a reader who stands at `position`: what it missed, or a snapshot; then all as it comes. A slow reader skips heartbeats, and starts over when it falls out of what is kept. */
  async *watch(position: StreamHead, signal: AbortSignal): AsyncGenerator<StreamFrame, void, undefined> {
    const wake = new Wake()
    const told: Told = { keys: new Set(), path: undefined, behindSinceMs: undefined }
    this.#readers.set(wake, told)
    this.readersChanged.emit(this.#readers.size)
    // One listener for the whole call and not one for each wait: a thousand readers wait each second.
    const stopped = (): void => wake.ring()
    signal.addEventListener('abort', stopped, { once: true })
    try {
      let at = this.#placeOf(position)
      let beat: LoggedFrame | undefined
      while (!signal.aborted) {
        for (let next = this.#log.at(at); next !== undefined; next = this.#log.at(at)) {
          at = next.index + 1
          told.behindSinceMs ??= this.#deps.clock.bootMs()
          yield this.#message(next.frame, told)
        }
        const heartbeat = this.#heartbeat
        if (heartbeat !== undefined && heartbeat !== beat && !this.#log.isEmpty) {
          beat = heartbeat
          told.behindSinceMs ??= this.#deps.clock.bootMs()
          yield this.#message(heartbeat, told)
          continue
        }
        told.behindSinceMs = undefined
        await wake.rung()
        signal.throwIfAborted()
      }
    } finally {
      signal.removeEventListener('abort', stopped)
      this.#readers.delete(wake)
      this.readersChanged.emit(this.#readers.size)
    }
  }

  /** The server's signed clock, as it came, for these nonces of a reader. @throws {MayflyError} UNAVAILABLE, LIMIT_EXCEEDED */
  async time(nonces: readonly Uint8Array[]): Promise<StreamFrame> {
    return await this.#times.ask(nonces)
  }

  /** Measures the server's clock for the agent's own reader. @param nonce new */
  async measure(nonce: Uint8Array): Promise<ReaderOutcome> {
    this.reader.asksTime(nonce)
    return this.reader.accept(await this.time([nonce]))
  }

  #file(outcome: ReaderOutcome, frame: DecodedFrame, logged: LoggedFrame): void {
    switch (frame.kind) {
      case 'snapshot':
        this.#collect(frame, logged)
        return
      case 'batch':
        if (outcome.kind !== 'applied') return
        this.#deps.newest?.took({ frame: logged.bytes, signerChain: this.#chains.get(logged.keyId) ?? [] })
        this.#log.append(logged)
        if (this.#log.isOverfull) this.#deps.wantSnapshot('newcomers')
        return
      case 'introduction':
        this.#learn(frame.chain)
        this.#log.append(logged)
        return
      case 'heartbeat':
        if (outcome.kind !== 'confirmed') return
        this.#heartbeat = logged
        this.#deps.newest?.took({ frame: logged.bytes, signerChain: this.#chains.get(logged.keyId) ?? [] })
        if (this.#log.snapshotKeyId !== logged.keyId) this.#deps.wantSnapshot('newcomers')
        return
      case 'time':
        return // not for everyone
      default:
        frame satisfies never
    }
  }

  /** Parts come in their order; those of another snapshot, which may come over a second connection, are not mixed in. */
  #collect(frame: SnapshotFrame, logged: LoggedFrame): void {
    if (frame.part === 0) this.#parts = { of: frame, frames: [] }
    const parts = this.#parts
    if (parts === undefined || !isSameSnapshot(parts.of, frame) || parts.frames.length !== frame.part) return
    parts.frames.push(logged)
    if (parts.frames.length < frame.parts) return
    this.#parts = undefined
    if (this.#log.rebase(parts.frames, frame.seq, frame.epoch)) this.#deps.log.debug({ event: 'relay.snapshot', seq: frame.seq, parts: frame.parts }, 'keeping a new snapshot')
  }

  #learn(chain: readonly Uint8Array[]): void {
    const [leaf] = chain
    if (leaf !== undefined) this.#keep(toHex(sha256(parseCertificate(leaf).spki)), chain)
  }

  /** The keys that were heard of last: earlier ones have ended long ago. */
  #keep(keyId: string, chain: readonly Uint8Array[]): void {
    this.#chains.delete(keyId)
    this.#chains.set(keyId, chain)
    const [oldest] = this.#chains.keys()
    if (this.#chains.size > maxChains && oldest !== undefined) this.#chains.delete(oldest)
  }

  #placeOf(position: StreamHead): number {
    const head = this.reader.position
    if (position.epoch === head.epoch && position.seq === head.seq && equalBytes(position.chainHash, head.chainHash)) return this.#log.end
    return this.#log.after(position.epoch, position.seq) ?? this.#log.start
  }

  #message({ bytes, keyId }: LoggedFrame, told: Told): StreamFrame {
    const signerChain = told.keys.has(keyId) ? [] : (this.#chains.get(keyId) ?? [])
    if (signerChain.length > 0) told.keys.add(keyId)
    if (told.path === this.#path) return { frame: bytes, signerChain }
    told.path = this.#path
    return { frame: bytes, signerChain, path: this.#path }
  }
}

/** What a reader has been told over its connection. */
interface Told {
  readonly keys: Set<string>
  path: readonly Uint8Array[] | undefined
  /** By the boot clock: since when it has not taken all that is there; unset when it has. */
  behindSinceMs: number | undefined
}

function isSameSnapshot(left: SnapshotFrame, right: SnapshotFrame): boolean {
  return left.parts === right.parts && left.epoch === right.epoch && left.seq === right.seq && left.signedAtMs === right.signedAtMs && left.floorMinute === right.floorMinute && equalBytes(left.chainHash, right.chainHash)
}

function lastSeqOf(frame: DecodedFrame): number {
  return frame.kind === 'batch' ? frame.seq + frame.events.length - 1 : frame.seq
}
