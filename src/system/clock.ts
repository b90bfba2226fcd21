import { uptime } from 'node:os'
import type { Clock } from '../ports/clock.ts'

/** The real clock, without native code: `bootMs` is good to 10 ms (/proc/uptime). The mains use {@link clockWith} and CLOCK_BOOTTIME itself. */
export const systemClock: Clock = clockWith(bootMsFromUptime())

/** @param bootMs ms since boot, suspension counted, such as `readBootMs` of `linux/boottime.ts`; steps back are levelled */
export function clockWith(bootMs: () => number): Clock {
  let latest = 0
  return {
    nowMs: () => Date.now(),
    bootMs: () => (latest = Math.max(latest, bootMs())),
    sleep,
  }
}

/**
 * CLOCK_MONOTONIC is fast to read but stands still in suspension; the uptime does not, and costs a file read. So it is the uptime of
 * a while ago plus what CLOCK_MONOTONIC went since, read again each second, and at once when the wall clock moved otherwise than
 * CLOCK_MONOTONIC did: after suspension, or when somebody set it.
 */
function bootMsFromUptime(): () => number {
  let at = Number.NEGATIVE_INFINITY
  let offset = 0
  let wallOffset = 0
  return () => {
    const monotonic = performance.now()
    const wall = Date.now() - monotonic
    if (monotonic - at > rereadMs || Math.abs(wall - wallOffset) > toleranceMs) {
      at = monotonic
      wallOffset = wall
      offset = uptime() * 1_000 - monotonic
    }
    return monotonic + offset
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  let left = ms
  do {
    await timer(Math.min(left, longestTimerMs), signal)
    left -= longestTimerMs
  } while (left > 0)
}

async function timer(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    // The signal's reason is rejected as it is: that is the port's promise.
    const stop = (): void => {
      clearTimeout(timeout)
      reject(signal.reason) // eslint-disable-line prefer-promise-reject-errors
    }
    const timeout = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

const rereadMs = 1_000
const toleranceMs = 20
/** Node fires longer ones at once. */
const longestTimerMs = 2 ** 31 - 1
