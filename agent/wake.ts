import type { Clock } from '../src/ports/clock.ts'

/** A bell that one waiter hears, also when it rang before he listened; many rings before he listens are one. */
export class Wake {
  #rung = false
  #waiter: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#waiter?.()
  }

  /** Resolves at the next ring, or at once after one that nobody heard. For who has something else that rings when it is to stop. */
  async rung(): Promise<void> {
    if (!this.#rung) await new Promise<void>((resolve) => (this.#waiter = resolve))
    this.#waiter = undefined
    this.#rung = false
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

/** Waits for the bell or for `ms`, whichever comes first; returns early, and does not throw, when the signal aborts. */
export async function heardWithin(wake: Wake, ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const pause = new AbortController()
  const stopped = (): void => pause.abort()
  if (signal.aborted) return
  signal.addEventListener('abort', stopped)
  const asleep = clock.sleep(ms, pause.signal).catch(() => undefined) // only aborts
  const awake = wake.heard(pause.signal).catch(() => undefined) // only aborts
  await Promise.race([asleep, awake])
  pause.abort()
  signal.removeEventListener('abort', stopped)
}
