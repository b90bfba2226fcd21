/** Something may have happened: many callers wake, one loop waits. A wake between two waits is not lost. */
export class Wakeup {
  #awake = false
  #resolve: (() => void) | undefined

  wake(): void {
    this.#awake = true
    this.#resolve?.()
  }

  /** Resolves at the next wake (at once when there was one since the last wait) or when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#awake && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done)
          this.#resolve = undefined
          resolve()
        }
        this.#resolve = done
        signal.addEventListener('abort', done, { once: true })
      })
    }
    this.#awake = false
  }
}
