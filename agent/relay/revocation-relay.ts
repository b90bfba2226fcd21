import { equalBytes, toHex } from '../../src/core/bytes.ts'
import { decodeFrameBody, openFrame } from '../../src/core/revocation/frame.ts'
import type { DecodedFrame } from '../../src/core/revocation/frame.ts'
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
import { TimeForwarder } from './time-forwarder.ts'
import type { LoggedFrame } from './frame-log.ts'

export interface RevocationRelayConfig {
  /** Most readers at once. */
  readonly maxReaders: number
  /** Most frames kept beyond the snapshot before a new snapshot is asked for. */
  readonly maxFrames: number
}

export interface RevocationRelayDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly anchors: () => readonly TrustAnchor[]
  /** The highest head that an earlier life of this agent accepted: a stream behind it is refused. */
  readonly highest?: StreamHead
  /** Asks the server for its stream from the beginning; what comes goes to {@link RevocationRelay.accept}. */
  readonly wantSnapshot: () => void
  /** Has the server's clock told to these nonces. */
  readonly askTime: (nonces: readonly Uint8Array[]) => Promise<StreamFrame>
}

const maxChains = 64

/**
 * Passes the server's revocation stream on as it came, to any number of verifiers on this node. The agent holds no signing key and
 * adds nothing; what its own reader refuses is not passed on.
 */
export class RevocationRelay {
  readonly #config: RevocationRelayConfig
  readonly #deps: RevocationRelayDeps
  readonly #log: FrameLog
  /** Certificates of signing keys, by key id in hexadecimal. */
  readonly #chains = new Map<string, readonly Uint8Array[]>()
  readonly #readers = new Set<Wake>()
  readonly #times: TimeForwarder
  #heartbeat: LoggedFrame | undefined
  #parts: LoggedFrame[] = []

  /** What the agent itself knows. */
  readonly reader: RevocationReader
  /** How many readers there are now. */
  readonly readersChanged: Notifier<number> = new Notifier()
  /** The set is another. */
  readonly changed: Notifier<void> = new Notifier()

  constructor(config: RevocationRelayConfig, deps: RevocationRelayDeps) {
    this.#config = config
    this.#deps = deps
    this.#log = new FrameLog(config.maxFrames)
    this.#times = new TimeForwarder(deps.askTime)
    this.reader = new RevocationReader({ clock: deps.clock, anchors: deps.anchors }, deps.highest)
  }

  get readers(): number {
    return this.#readers.size
  }

  get isFull(): boolean {
    return this.#readers.size >= this.#config.maxReaders
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
    const logged: LoggedFrame = { bytes: message.frame, keyId, epoch: frame.epoch, firstSeq: frame.seq, lastSeq: lastSeqOf(frame) }
    this.#file(outcome, frame, logged)
    if (outcome.kind === 'gap') this.#deps.wantSnapshot()
    if (outcome.kind === 'applied' || outcome.kind === 'replaced') this.changed.emit()
    for (const wake of this.#readers) wake.ring()
    return outcome
  }

  /** The stream for a reader who stands at `position`: what it missed, or a snapshot; then all as it comes. A slow reader skips heartbeats, and starts over when it falls out of what is kept. */
  async *watch(position: StreamHead, signal: AbortSignal): AsyncGenerator<StreamFrame, void, undefined> {
    const wake = new Wake()
    const known = new Set<string>()
    this.#readers.add(wake)
    this.readersChanged.emit(this.#readers.size)
    try {
      let at = this.#placeOf(position)
      let beat: LoggedFrame | undefined
      while (!signal.aborted) {
        for (let next = this.#log.at(at); next !== undefined; next = this.#log.at(at)) {
          at = next.index + 1
          yield this.#message(next.frame, known)
        }
        const heartbeat = this.#heartbeat
        if (heartbeat !== undefined && heartbeat !== beat && !this.#log.isEmpty) {
          beat = heartbeat
          yield this.#message(heartbeat, known)
          continue
        }
        await wake.heard(signal)
      }
    } finally {
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
        if (frame.part === 0) this.#parts = []
        this.#parts.push(logged)
        if (this.#parts.length < frame.parts) return
        if (this.#log.rebase(this.#parts, frame.seq, frame.epoch)) this.#deps.log.debug({ event: 'relay.snapshot', seq: frame.seq, parts: frame.parts }, 'keeping a new snapshot')
        this.#parts = []
        return
      case 'batch':
        if (outcome.kind !== 'applied') return
        this.#log.append(logged)
        if (this.#log.isOverfull) this.#deps.wantSnapshot()
        return
      case 'introduction':
        this.#learn(frame.chain)
        this.#log.append(logged)
        return
      case 'heartbeat':
        if (outcome.kind !== 'confirmed') return
        this.#heartbeat = logged
        if (this.#log.snapshotKeyId !== logged.keyId) this.#deps.wantSnapshot()
        return
      case 'time':
        return // not for everyone
      default:
        frame satisfies never
    }
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

  #message({ bytes, keyId }: LoggedFrame, known: Set<string>): StreamFrame {
    if (known.has(keyId)) return { frame: bytes, signerChain: [] }
    const signerChain = this.#chains.get(keyId) ?? []
    if (signerChain.length > 0) known.add(keyId)
    return { frame: bytes, signerChain }
  }
}

function lastSeqOf(frame: DecodedFrame): number {
  return frame.kind === 'batch' ? frame.seq + frame.events.length - 1 : frame.seq
}
