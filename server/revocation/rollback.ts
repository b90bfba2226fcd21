import { verify } from 'node:crypto'
import { equalBytes, toHex } from '../../src/core/bytes.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { openFrame, signedBytes } from '../../src/core/revocation/frame.ts'
import { headSaidBy } from '../../src/core/revocation/said-head.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { verifySignerChain } from '../../src/verify/signer-chain.ts'
import type { TrustAnchor } from '../../src/verify/bundle-set.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'
import type { RolledBack, Store } from '../store/port.ts'

export interface RollbackWatchDeps {
  readonly store: Pick<Store, 'recovery' | 'stream'>
  readonly stream: { readonly head: StreamHead }
  /** Authorities whose word on the stream's past counts: those of ours that nobody had reason to end. */
  readonly anchors: () => readonly TrustAnchor[]
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Whether this server is behind what it once signed: its database was copied back, or restored by other means than `mayfly server restore`. Readers show the newest frame that they
 * took; one above the durable head, or beside it, that a key of the stream signed which an authority of ours certified, stops issuance for good (design 6, Epochs). What is not signed so
 * stops nothing: an agent may say what it likes.
 */
export class RollbackWatch {
  readonly #deps: RollbackWatchDeps
  readonly #listeners = new Set<() => void>()
  #rolledBack: RolledBack | undefined

  private constructor(deps: RollbackWatchDeps, rolledBack: RolledBack | undefined) {
    this.#deps = deps
    this.#rolledBack = rolledBack
  }

  /** Knows what an earlier run was shown. */
  static async start(deps: RollbackWatchDeps): Promise<RollbackWatch> {
    const rolledBack = await deps.store.recovery.rolledBack()
    if (rolledBack !== undefined) say(deps.log, rolledBack)
    return new RollbackWatch(deps, rolledBack)
  }

  /** Unset while nothing was shown. */
  get rolledBack(): RolledBack | undefined {
    return this.#rolledBack
  }

  /** Called once, when the server finds out. It must not throw. */
  onFound(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Looks at a frame that a reader shows. Resolves once what follows is durable. @throws {MayflyError} STORE_UNWRITABLE */
  async shown(message: StreamFrame, by: string): Promise<void> {
    const head = headSaidBy(message.frame, sha256)
    if (head === undefined || !(await this.#isUnknown(head))) return
    const proven = this.#proven(message)
    if (proven === undefined) {
      this.#deps.log.warn({ event: 'revocation.head_unproven', by, epoch: head.epoch, seq: head.seq }, 'a reader shows a head that this server does not have, and that none of its authorities vouches for: nothing follows')
      return
    }
    await this.#found(proven, by)
  }

  /** Above the durable head, or another than it had at this place. What is no longer kept cannot be told. */
  async #isUnknown({ epoch, seq, chainHash }: StreamHead): Promise<boolean> {
    const own = this.#deps.stream.head
    if (epoch !== own.epoch || seq > own.seq) return epoch > own.epoch || (epoch === own.epoch && seq > own.seq)
    if (seq === own.seq) return !equalBytes(chainHash, own.chainHash)
    const [event] = await this.#deps.store.stream.eventsAfter(seq - 1, 1)
    return event !== undefined && event.seq === seq && !equalBytes(event.chainHash, chainHash)
  }

  /** The head that it says, when it is this trust domain's own word. */
  #proven({ frame, signerChain }: StreamFrame): StreamHead | undefined {
    const opened = openFrame(frame)
    const head = headSaidBy(frame, sha256)
    if (opened === undefined || head === undefined) return undefined
    const signer = verifySignerChain(signerChain, this.#deps.anchors(), head.signedAtMs) // as of then: it may have expired since
    if (signer.kind === 'refused' || !equalBytes(signer.key.keyId, opened.keyId)) return undefined
    return verify(null, signedBytes(opened.body, opened.keyId), signer.key.key, opened.signature) ? head : undefined
  }

  async #found({ epoch, seq, chainHash }: StreamHead, by: string): Promise<void> {
    const { store, clock, log } = this.#deps
    const known = this.#rolledBack
    if (known !== undefined && (known.epoch > epoch || (known.epoch === epoch && known.seq >= seq))) return
    const found: RolledBack = { epoch, seq, chainHash: toHex(chainHash), atMs: clock.nowMs(), by }
    this.#rolledBack = found
    if (known === undefined) {
      say(log, found)
      for (const listener of this.#listeners) listener()
    }
    await store.recovery.noteRolledBack(found, { name: by, atMs: found.atMs })
  }
}

function say(log: Logger, { epoch, seq, by }: RolledBack): void {
  log.error({ event: 'server.rolled_back', epoch, seq, by }, 'the database of this server is older than what it signed: it issues nothing and its stream is silent until it is restored')
}
