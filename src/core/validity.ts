import { formatDuration } from './duration.ts'
import { MayflyError } from './errors.ts'

/** From when to when, ms since the epoch in whole seconds, both ends included: RFC 5280 4.1.2.5. */
export interface Validity {
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export interface LeafTerms {
  /** At least a second. */
  readonly ttlMs: number
  /** The profile's limit for `ttlMs`. */
  readonly maxTtlMs: number
  /** How far notBefore lies back, for verifiers whose clock is behind. */
  readonly backdateMs: number
  /** The issuer's own validity: the leaf's lies within. */
  readonly issuer: Validity
}

/**
 * Validity of a leaf issued at `nowMs`: it ends at most `ttlMs` later, never past its issuer's end, and begins `backdateMs` earlier, never before its
 * issuer's beginning. Both ends are rounded down to whole seconds, so that nothing lives longer than asked.
 * @throws {MayflyError} TTL_TOO_LONG, INVALID_ARGUMENT for less than a second, NO_ACTIVE_AUTHORITY when the issuer is not valid at `nowMs`
 */
export function leafValidity(nowMs: number, terms: LeafTerms): Validity {
  const { ttlMs, maxTtlMs, backdateMs, issuer } = terms
  if (ttlMs > maxTtlMs) throw new MayflyError('TTL_TOO_LONG', `a TTL of ${formatDuration(ttlMs)} is longer than the ${formatDuration(maxTtlMs)} that the profile allows`, { details: { ttlMs, maxTtlMs } })
  if (!(ttlMs >= 1_000)) throw new MayflyError('INVALID_ARGUMENT', 'a TTL is at least one second')
  const notBeforeMs = Math.max(wholeSeconds(nowMs - backdateMs), issuer.notBeforeMs)
  const notAfterMs = Math.min(wholeSeconds(nowMs + ttlMs), issuer.notAfterMs)
  if (notAfterMs <= nowMs || notBeforeMs > nowMs) {
    throw new MayflyError('NO_ACTIVE_AUTHORITY', `the authority is not valid at this time`, { hint: 'check the clock of the server', details: { nowMs, ...issuer } })
  }
  return { notBeforeMs, notAfterMs }
}

/** Whether `nowMs` lies within, both ends included. */
export function includes(validity: Validity, nowMs: number): boolean {
  return nowMs >= validity.notBeforeMs && nowMs <= validity.notAfterMs
}

/** Whether `inner` lies within `outer`; equal ends do. */
export function encloses(outer: Validity, inner: Validity): boolean {
  return inner.notBeforeMs >= outer.notBeforeMs && inner.notAfterMs <= outer.notAfterMs
}

/** Rounded down. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000
}
