import { sealFrame, type Frame } from '../../../src/core/revocation/frame.ts'
import type { StreamHead } from '../../../src/core/revocation/follower.ts'
import type { StreamFrame } from '../../../src/verify/index.ts'
import { publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { nowMs, streamSigner, type Issued } from '../verify/certificates.ts'
import { SimStream } from './sim-stream.ts'

/** A simulated stream with a real, certified key. */
export class SignedSimStream extends SimStream {
  readonly #signer: Issued

  constructor(issuer: Issued, epoch = 5) {
    super(epoch)
    this.#signer = streamSigner(issuer)
  }

  get head(): StreamHead {
    return this.headAt(this.events.length)
  }

  snapshots(): StreamFrame[] {
    return this.snapshot(this.events.length, nowMs).map((frame) => ({ frame, signerChain: [this.#signer.der] }))
  }

  /** The event of this number alone. */
  batchOf(seq: number): StreamFrame {
    return { frame: this.batch(seq, seq, nowMs), signerChain: [] }
  }

  override seal(frame: Frame): Uint8Array {
    return sealFrame(frame, publicKeyHash(this.#signer.key.spki), (bytes) => this.#signer.key.sign(bytes))
  }
}
