/** One look at a process. */
export interface Sample {
  /** Since the beginning. */
  readonly atMs: number
  readonly value: number
}

/** By how much a line may rise. */
export interface Bound {
  /** In an hour. */
  readonly perHour: number
  /** What it may rise within however short a time: a collector's own ups and downs. */
  readonly floor: number
}

export interface Flatness {
  readonly isFlat: boolean
  /** Of the line fitted over the second half, an hour. */
  readonly perHour: number
  /** What that line rises over the second half, and what it is known to within (three standard errors). */
  readonly rise: number
  readonly uncertainty: number
  /** What it may. */
  readonly allowed: number
  /** How many points the line was fitted to. */
  readonly points: number
}

/** How many of the second half's lowest points are kept: what lies above is garbage not yet collected, or a call going on. */
const buckets = 20

/**
 * Whether something grows: least squares over the second half of a run, since the first fills caches. Fitted to the lowest sample of each twentieth of it.
 * Flat unless the line rises, by more than chance explains, beyond what is allowed in that time.
 */
export function flatness(samples: readonly Sample[], bound: Bound): Flatness {
  const lastMs = samples.at(-1)?.atMs ?? 0
  const half = samples.filter(({ atMs }) => atMs >= lastMs / 2)
  const firstMs = half[0]?.atMs ?? 0
  const spanMs = Math.max(1, lastMs - firstMs)
  const low = new Map<number, Sample>()
  for (const sample of half) {
    const bucket = Math.min(buckets - 1, Math.floor(((sample.atMs - firstMs) / spanMs) * buckets))
    if (sample.value < (low.get(bucket)?.value ?? Infinity)) low.set(bucket, sample)
  }
  const points = [...low.values()]
  const { slope, error } = line(points)
  const rise = slope * spanMs
  const uncertainty = 3 * error * spanMs
  const allowed = Math.max(bound.floor, (bound.perHour * spanMs) / hourMs)
  return { isFlat: rise - uncertainty <= allowed, perHour: slope * hourMs, rise, uncertainty, allowed, points: points.length }
}

const hourMs = 3_600_000

/** Least squares: the slope in 1/ms, and its standard error. Zero for fewer than three points. */
function line(points: readonly Sample[]): { readonly slope: number; readonly error: number } {
  const count = points.length
  if (count < 3) return { slope: 0, error: 0 }
  const meanAt = points.reduce((sum, { atMs }) => sum + atMs, 0) / count
  const meanValue = points.reduce((sum, { value }) => sum + value, 0) / count
  const spread = points.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0)
  if (spread === 0) return { slope: 0, error: 0 }
  const slope = points.reduce((sum, { atMs, value }) => sum + (atMs - meanAt) * (value - meanValue), 0) / spread
  const rest = points.reduce((sum, { atMs, value }) => sum + (value - meanValue - slope * (atMs - meanAt)) ** 2, 0)
  return { slope, error: Math.sqrt(rest / (count - 2) / spread) }
}
