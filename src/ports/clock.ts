/** Time comes in through this port; the only real one is in `src/system`. */
export interface Clock {
  /** Wall clock, ms since the Unix epoch. May jump in either direction. */
  nowMs(): number
  /** CLOCK_BOOTTIME, ms since boot: never goes back, counts suspension. */
  bootMs(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}
