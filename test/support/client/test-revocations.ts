import type { CheckOutcome } from '../../../src/core/revocation/check.ts'
import type { Freshness, StalenessClass } from '../../../src/core/revocation/freshness.ts'
import { decodeSerial } from '../../../src/core/serial.ts'
import type { RevocationSource } from '../../../src/verify/live-connections.ts'
import type { RevokedChange } from '../../../src/verify/reader.ts'

/** Revocations that a test makes, known to one verifier. */
export class TestRevocations implements RevocationSource {
  readonly class: StalenessClass | undefined
  /** How old its knowledge is. */
  ageMs = 0
  readonly #ended = new Map<string, 'revoked' | 'superseded'>()
  readonly #listeners = new Set<(change: RevokedChange) => void>()

  constructor(verifierClass?: StalenessClass) {
    this.class = verifierClass
  }

  revoke(serial: string): void {
    this.#end(serial, 'revoked')
  }

  supersede(serial: string): void {
    this.#end(serial, 'superseded')
  }

  check({ serial }: { readonly serial: Uint8Array }): CheckOutcome {
    return { kind: this.#ended.get(Buffer.from(serial).toString('hex')) ?? 'good' }
  }

  freshness(): Freshness {
    return { ageMs: this.ageMs, aheadMs: 0, behindMs: 0 }
  }

  onRevoked(listener: (change: RevokedChange) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  #end(serial: string, kind: 'revoked' | 'superseded'): void {
    this.#ended.set(serial, kind)
    const place = decodeSerial(Buffer.from(serial, 'hex'))
    if (place === undefined) throw new Error('not a serial of ours')
    for (const listener of this.#listeners) listener({ kind: 'revoked', events: [{ kind, shard: place.shard, minute: place.minute, index: place.index }] })
  }
}
