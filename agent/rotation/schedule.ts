import type { Random } from '../../src/ports/random.ts'
import type { Moment } from './moment.ts'

/** When a credential is to be replaced, by both clocks: whichever comes first. */
export interface DueTime {
  readonly atMs: number
  readonly atBootMs: number
}

/** Half of the life that is left, ± 10 % of it, so that what was signed together is not renewed together. */
export function halfLife(notAfterMs: number, now: Moment, random: Random): DueTime {
  const afterMs = Math.max(0, Math.floor((notAfterMs - now.nowMs) * 0.5 * (0.9 + 0.2 * fraction(random))))
  return { atMs: now.nowMs + afterMs, atBootMs: now.bootMs + afterMs }
}

/** Issuers set notBefore ten seconds back, for clocks that lag (mayfly and SPIRE alike). */
const backdateMs = 10_000

/** Half of the whole life, ± 10 % of it, of a credential that was kept over a restart: counted from when it was issued, or an agent that restarts often would never renew. */
export function halfLifeOfKept(validity: { readonly notBeforeMs: number; readonly notAfterMs: number }, now: Moment, random: Random): DueTime {
  const lifeMs = Math.max(0, validity.notAfterMs - validity.notBeforeMs - backdateMs)
  const afterMs = Math.max(0, Math.floor(validity.notAfterMs - lifeMs * 0.5 * (0.9 + 0.2 * fraction(random))) - now.nowMs)
  return { atMs: now.nowMs + afterMs, atBootMs: now.bootMs + afterMs }
}

export function isDue(due: DueTime, now: Moment): boolean {
  return now.nowMs >= due.atMs || now.bootMs >= due.atBootMs
}

/** How long to wait before attempt `failures + 1`: doubles from `leastMs` to `mostMs`, then anywhere in its upper half. */
export function backoffMs(failures: number, limits: { readonly leastMs: number; readonly mostMs: number }, random: Random): number {
  const full = Math.min(limits.mostMs, limits.leastMs * 2 ** Math.min(failures - 1, 30))
  return Math.floor(full * (0.5 + 0.5 * fraction(random)))
}

/** In [0, 1). */
function fraction(random: Random): number {
  const bytes = random.bytes(4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
}
