/** Tells whoever listens, at once and in the order of their coming. A listener must not throw; one that comes while it is told is told too. */
export class Notifier<T> {
  readonly #listeners = new Set<(fact: T) => void>()

  /** Listens until disposed. */
  on(listener: (fact: T) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  emit(fact: T): void {
    for (const listener of this.#listeners) listener(fact)
  }

  get listenerCount(): number {
    return this.#listeners.size
  }
}
