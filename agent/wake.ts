/** A bell that one waiter hears, also when it rang before he listened; many rings before he listens are one. */
export class Wake {
  #rung = false
  #waiter: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#waiter?.()
  }

  /** Resolves at the next ring, or at once after one that nobody heard; rejects with the signal's reason when it aborts first. */
  async heard(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (!this.#rung) {
      await new Promise<void>((resolve, reject) => {
        const done = (): void => {
          signal.removeEventListener('abort', aborted)
          this.#waiter = undefined
          resolve()
        }
        const aborted = (): void => {
          this.#waiter = undefined
          reject(signal.reason)
        }
        signal.addEventListener('abort', aborted, { once: true })
        this.#waiter = done
      })
    }
    this.#rung = false
  }
}
