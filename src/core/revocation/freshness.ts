/** The two clocks of a reader at one moment, as `Clock` gives them. */
export interface ReaderTime {
  /** Wall clock, ms since the epoch. */
  readonly nowMs: number
  /** CLOCK_BOOTTIME, ms. */
  readonly bootMs: number
}

export interface Freshness {
  /** How old the state may be. */
  readonly ageMs: number
  /** How far the signer's clock is ahead of this one at least; 0 when it is not, as far as is known. */
  readonly aheadMs: number
  /** How far the signer's clock is behind this one at least; 0 when it is not, or was not measured. */
  readonly behindMs: number
  /** The reader asks for the signer's clock and gets no answer: its age is told by its own clock, which may be wrong. */
  readonly unmeasured?: true
}

/** How old a verifier's state may be (design 6). `available`: any age, and the verdict says that it is stale. */
export type StalenessClass = 'strict' | 'standard' | 'available'

/** The one that allows less. */
export function stricterOf(one: StalenessClass, other: StalenessClass): StalenessClass {
  return strictness.indexOf(one) <= strictness.indexOf(other) ? one : other
}

const strictness: readonly StalenessClass[] = ['strict', 'standard', 'available']

/** By class; `available` takes the limit of `standard` for saying so. */
export const stalenessLimitMs: Readonly<Record<StalenessClass, number>> = { strict: 3_000, standard: 15_000, available: 15_000 }
/** Clocks of signer and reader may differ by this much; more is not fresh. */
export const clockSkewLimitMs = 1_000

/** Whether a state of this freshness is within the limit; nothing received is not, and neither is one that is measured by clocks which differ; for `strict`, nor one whose clock is not measured though that was asked for. */
export function isWithin(freshness: Freshness | undefined, limit: StalenessClass): boolean {
  return freshness !== undefined && !isOutdated(freshness, limit) && skewOf(freshness) === undefined
}

/** Whether news may have been missed for longer than the limit allows: what ends an open connection. Clocks that differ do not, since revocations come all the same. */
export function isOutdated({ ageMs, unmeasured }: Freshness, limit: StalenessClass): boolean {
  return ageMs > stalenessLimitMs[limit] || (limit === 'strict' && unmeasured === true)
}

/** By how much the signer's clock is surely ahead (or behind, when negative), if that is more than {@link clockSkewLimitMs}. */
export function skewOf({ aheadMs, behindMs }: Freshness): number | undefined {
  if (aheadMs > clockSkewLimitMs) return aheadMs
  return behindMs > clockSkewLimitMs ? -behindMs : undefined
}
