import { equalBytes, toHex } from '../core/bytes.ts'
import type { ChainFacts, CheckOutcome } from '../core/revocation/check.ts'
import { isEnding, type RevocationEvent } from '../core/revocation/codec.ts'
import { StreamFollower, type FrameOutcome, type StreamHead } from '../core/revocation/follower.ts'
import type { Freshness } from '../core/revocation/freshness.ts'
import type { RevocationSet } from '../core/revocation/set.ts'
import type { Clock } from '../ports/clock.ts'
import { sha256 } from '../x509/fingerprint.ts'
import type { TrustAnchor } from './bundle-set.ts'
import { verifySignerChain, type StreamKey } from './signer-chain.ts'
import { signaturesOfThisProcess, type VerifiedSignatures } from './verified-signatures.ts'
import type { RevocationChecker } from './checker.ts'

/** One message of the stream: a signed frame, with the certificate of its key (DER, leaf first) whenever that may be new to the reader. */
export interface StreamFrame {
  readonly frame: Uint8Array
  readonly signerChain: readonly Uint8Array[]
  /** The relays it came through, when that is news: see `StreamMessage.path`. Nobody vouches for it. */
  readonly path?: readonly Uint8Array[]
}

/** What was ended, for whoever keeps connections open. */
export type RevokedChange =
  /** Serials, authorities and grant trees that were ended just now; nothing that was merely superseded. */
  | { readonly kind: 'revoked'; readonly events: readonly RevocationEvent[] }
  /** The set was replaced: check every open connection again. */
  | { readonly kind: 'everything' }

export type ReaderOutcome = FrameOutcome | { readonly kind: 'signer_refused'; readonly why: string }

export interface ReaderDeps {
  readonly clock: Clock
  /** The present authorities of the trust domain whose stream it is. */
  readonly anchors: () => readonly TrustAnchor[]
  /** Verifies signatures, once for all readers that share it; those of this process do when it is absent. */
  readonly signatures?: VerifiedSignatures
}

const maxKeys = 16
const maxRefusedChains = 4
const nothing = new Uint8Array(0)

/**
 * Reads one trust domain's revocation stream: verifies who signed (an Ed25519 leaf under an authority that the bundle has and the stream has
 * not revoked), follows the frames, answers checks, and tells listeners what was revoked. It has no connection: messages are given to it.
 */
export class RevocationReader implements RevocationChecker {
  readonly #deps: ReaderDeps
  readonly #follower: StreamFollower
  readonly #signatures: VerifiedSignatures
  readonly #keys = new Map<string, StreamKey>()
  /** Key ids by the SHA-256 of the certificates that were verified. */
  readonly #keyOfCertificate = new Map<string, string>()
  #lastKey: StreamKey | undefined
  #refused: (readonly Uint8Array[])[] = []
  readonly #listeners = new Set<(change: RevokedChange) => void>()

  /** @param highest what was kept of an earlier life: a stream behind it is refused */
  constructor(deps: ReaderDeps, highest?: StreamHead) {
    this.#deps = deps
    this.#signatures = deps.signatures ?? signaturesOfThisProcess
    this.#follower = new StreamFollower({ sha256, verify: (keyId, signed, signature, signedAtMs) => this.#verify(keyId, signed, signature, signedAtMs) }, highest)
  }

  /** Takes one message in. Listeners have been told when it returns. */
  accept(message: StreamFrame): ReaderOutcome {
    if (message.signerChain.length > 0) {
      const refusal = this.#learn(message.signerChain)
      if (refusal !== undefined) return refusal
    }
    let outcome = this.#follower.receive(message.frame, this.#time())
    if (outcome.kind === 'forged' && outcome.why === 'unknown_key' && this.#learnAgain()) outcome = this.#follower.receive(message.frame, this.#time())
    if (outcome.kind === 'introduced') return this.#learn(outcome.chain) ?? outcome
    if (outcome.kind === 'replaced') this.#tell({ kind: 'everything' })
    if (outcome.kind === 'applied') {
      const events = outcome.events.filter(isEnding)
      if (events.length > 0) this.#tell({ kind: 'revoked', events })
    }
    return outcome
  }

  /** A time request with this nonce is sent now; its answer goes to {@link accept}. */
  asksTime(nonce: Uint8Array): void {
    this.#follower.asksTime(nonce, this.#time())
  }

  check(facts: ChainFacts): CheckOutcome {
    return this.#follower.set.check(facts)
  }

  freshness(): Freshness | undefined {
    return this.#follower.freshness(this.#time())
  }

  /** Called after the set has changed, before {@link accept} returns. It must not throw. */
  onRevoked(listener: (change: RevokedChange) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Where to resume; all zero when a snapshot is needed. */
  get position(): StreamHead {
    return this.#follower.position
  }

  /** To be kept over restarts. */
  get highest(): StreamHead | undefined {
    return this.#follower.highest
  }

  /** What a receipt says: how far it is, and the root of what it has there; `undefined` before the first state. */
  get state(): { readonly position: StreamHead; readonly floorMinute: number; readonly root: Uint8Array } | undefined {
    const { position, set } = this.#follower
    return position.epoch === 0 ? undefined : { position, floorMinute: set.floorMinute, root: set.root(sha256) }
  }

  /** What it knows; not to be changed. */
  get set(): RevocationSet {
    return this.#follower.set
  }

  #time(): { nowMs: number; bootMs: number } {
    return { nowMs: this.#deps.clock.nowMs(), bootMs: this.#deps.clock.bootMs() }
  }

  /** Remembers the key, or says why not and keeps the chain for another try: the bundle may come after it. A chain that is known already costs nothing. */
  #learn(chain: readonly Uint8Array[]): { kind: 'signer_refused'; why: string } | undefined {
    const refusal = this.#verifyChain(chain)
    const others = this.#refused.filter((other) => !equalBytes(other[0] ?? nothing, chain[0] ?? nothing))
    this.#refused = refusal === undefined ? others : [...others, chain].slice(-maxRefusedChains)
    return refusal
  }

  #learnAgain(): boolean {
    const chains = this.#refused
    for (const chain of chains) this.#learn(chain)
    return this.#refused.length < chains.length
  }

  #verifyChain(chain: readonly Uint8Array[]): { kind: 'signer_refused'; why: string } | undefined {
    const name = toHex(sha256(chain[0] ?? nothing))
    if (this.#keyOfCertificate.has(name)) return undefined
    // By the signer's clock where that is known: one that is wrong here must not keep the news away, and is a verdict of its own.
    const nowMs = this.#follower.signerNowMs(this.#time()) ?? this.#deps.clock.nowMs()
    const result = verifySignerChain(chain, this.#deps.anchors(), nowMs)
    if (result.kind === 'refused') return { kind: 'signer_refused', why: result.why }
    const { key } = result
    if (this.#isUnderRevoked(key)) return { kind: 'signer_refused', why: 'an authority above it was revoked' }
    for (const [id, known] of this.#keys) if (known.notAfterMs < nowMs || this.#keys.size >= maxKeys) this.#forget(id)
    this.#lastKey = undefined
    this.#keys.set(toHex(key.keyId), key)
    this.#keyOfCertificate.set(name, toHex(key.keyId))
    return undefined
  }

  #forget(keyId: string): void {
    this.#lastKey = undefined
    this.#keys.delete(keyId)
    for (const [name, id] of this.#keyOfCertificate) if (id === keyId) this.#keyOfCertificate.delete(name)
  }

  #verify(keyId: Uint8Array, signed: Uint8Array, signature: Uint8Array, signedAtMs: number): 'good' | 'bad' | 'unknown_key' {
    const key = this.#keyOf(keyId)
    if (key === undefined || this.#isUnderRevoked(key) || !this.#isAnchored(key)) return 'unknown_key'
    if (signedAtMs < key.notBeforeMs || signedAtMs > key.notAfterMs) return 'bad'
    return this.#signatures.verify(key, signed, signature) ? 'good' : 'bad'
  }

  /** Nearly always the one of the frame before. */
  #keyOf(keyId: Uint8Array): StreamKey | undefined {
    const last = this.#lastKey
    if (last !== undefined && equalBytes(last.keyId, keyId)) return last
    return (this.#lastKey = this.#keys.get(toHex(keyId)))
  }

  #isUnderRevoked(key: StreamKey): boolean {
    return key.authorityIds.some((id) => this.#follower.set.isAuthorityRevoked(id))
  }

  /** The bundle may have dropped its authority since. */
  #isAnchored(key: StreamKey): boolean {
    const top = key.authorityIds.at(-1)
    return this.#deps.anchors().some(({ id }) => id === top)
  }

  #tell(change: RevokedChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}
