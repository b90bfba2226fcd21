import type { Clock } from '../../src/ports/clock.ts'

interface Sleeper {
  readonly atBootMs: number
  wake(): void
}

/** A clock that stands still until it is told otherwise. */
export class FakeClock implements Clock {
  #nowMs: number
  #bootMs = 1_000
  readonly #sleepers = new Set<Sleeper>()

  constructor(nowMs: number = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  bootMs(): number {
    return this.#bootMs
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      const aborted = (): void => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      }
      const sleeper: Sleeper = {
        atBootMs: this.#bootMs + ms,
        wake: () => {
          signal.removeEventListener('abort', aborted)
          resolve()
        },
      }
      signal.addEventListener('abort', aborted, { once: true })
      this.#sleepers.add(sleeper)
    })
  }

  /** Lets `ms` pass on both clocks, waking sleepers in their order and letting what they do settle before time goes on. */
  async advance(ms: number): Promise<void> {
    const end = this.#bootMs + ms
    await settle()
    for (;;) {
      const next = [...this.#sleepers].filter(({ atBootMs }) => atBootMs <= end).sort((a, b) => a.atBootMs - b.atBootMs)[0]
      const to = next === undefined ? end : Math.max(next.atBootMs, this.#bootMs)
      this.#nowMs += to - this.#bootMs
      this.#bootMs = to
      if (next === undefined) break
      this.#sleepers.delete(next)
      next.wake()
      await settle()
    }
    await settle()
  }

  /** Sets the wall clock on (or back, when negative) without any time passing. */
  jump(ms: number): void {
    this.#nowMs += ms
  }

  get sleeping(): number {
    return this.#sleepers.size
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
