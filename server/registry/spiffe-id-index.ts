import type { SpiffeId } from '../../src/core/spiffe-id.ts'

/** Things by their SPIFFE ID, of which most have one thing: a set is made for the others alone. */
export class SpiffeIdIndex<T extends { readonly spiffeId: SpiffeId }> {
  readonly #things = new Map<SpiffeId, T | Set<T>>()

  with(id: SpiffeId): readonly T[] {
    const held = this.#things.get(id)
    return held === undefined ? [] : held instanceof Set ? [...held] : [held]
  }

  add(thing: T): void {
    const held = this.#things.get(thing.spiffeId)
    if (held === undefined) this.#things.set(thing.spiffeId, thing)
    else if (held instanceof Set) held.add(thing)
    else this.#things.set(thing.spiffeId, new Set([held, thing]))
  }

  delete(thing: T): void {
    const held = this.#things.get(thing.spiffeId)
    if (held === thing) this.#things.delete(thing.spiffeId)
    else if (held instanceof Set && held.delete(thing) && held.size === 0) this.#things.delete(thing.spiffeId)
  }
}
