import type { RevocationSet } from '../../src/core/revocation/set.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'

const kept = 256

/** Roots of the set as it was, for as long as they may be asked for: at a number of the stream and a floor it is always the same. */
export class RootHistory {
  readonly #roots = new Map<string, Uint8Array>()

  /** The root at this place; `undefined` when that is neither the present one of the set nor among those that were computed of late. */
  at(seq: number, floorMinute: number, present: { readonly seq: number; readonly set: RevocationSet }): Uint8Array | undefined {
    const name = `${seq} ${floorMinute}`
    const known = this.#roots.get(name)
    if (known !== undefined || seq !== present.seq || floorMinute !== present.set.floorMinute) return known
    const root = present.set.root(sha256)
    this.#roots.set(name, root)
    if (this.#roots.size > kept) for (const oldest of this.#roots.keys()) { this.#roots.delete(oldest); break }
    return root
  }
}
