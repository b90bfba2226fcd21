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
  /** What that line rises over the second half, less what the process had held before and given back; and what it is known to within (three standard errors). */
  readonly rise: number
  readonly uncertainty: number
  /** What it may. */
  readonly allowed: number
  /** How many points the line was fitted to. */
  readonly points: number
}

/** How many of a half's lowest points are kept: what lies above is garbage not yet collected, or a call going on. */
const buckets = 20

/**
 * Whether something grows: least squares over the second half of a run, since the first fills caches. Fitted to the lowest sample of each twentieth of it. Flat
 * unless the line rises, by more than chance explains, beyond what is allowed in that time, and to where it had not been before: what a process gave back and
 * took again is no growth.
 */
export function flatness(samples: readonly Sample[], bound: Bound): Flatness {
  const lastMs = samples.at(-1)?.atMs ?? 0
  const points = lowest(samples.filter(({ atMs }) => atMs >= lastMs / 2))
  const before = lowest(samples.filter(({ atMs }) => atMs < lastMs / 2))
  const spanMs = Math.max(1, lastMs - (samples.find(({ atMs }) => atMs >= lastMs / 2)?.atMs ?? 0))
  const { slope, error, meanAt, meanValue } = line(points)
  const end = meanValue + slope * (lastMs - meanAt)
  const rise = Math.min(slope * spanMs, end - Math.max(...before.map(({ value }) => value)))
  const uncertainty = 3 * error * spanMs
  const allowed = Math.max(bound.floor, (bound.perHour * spanMs) / hourMs)
  return { isFlat: rise - uncertainty <= allowed, perHour: slope * hourMs, rise, uncertainty, allowed, points: points.length }
}

/** The lowest sample of each twentieth of their time. */
function lowest(samples: readonly Sample[]): readonly Sample[] {
  const firstMs = samples[0]?.atMs ?? 0
  const spanMs = Math.max(1, (samples.at(-1)?.atMs ?? 0) - firstMs)
  const low = new Map<number, Sample>()
  for (const sample of samples) {
    const bucket = Math.min(buckets - 1, Math.floor(((sample.atMs - firstMs) / spanMs) * buckets))
    if (sample.value < (low.get(bucket)?.value ?? Infinity)) low.set(bucket, sample)
  }
  return [...low.values()]
}

const hourMs = 3_600_000

interface Line {
  /** In 1/ms, and its standard error. */
  readonly slope: number
  readonly error: number
  /** A point of it. */
  readonly meanAt: number
  readonly meanValue: number
}

/** Least squares; level for fewer than three points. */
function line(points: readonly Sample[]): Line {
  const count = Math.max(1, points.length)
  const meanAt = points.reduce((sum, { atMs }) => sum + atMs, 0) / count
  const meanValue = points.reduce((sum, { value }) => sum + value, 0) / count
  const spread = points.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0)
  if (count < 3 || spread === 0) return { slope: 0, error: 0, meanAt, meanValue }
  const slope = points.reduce((sum, { atMs, value }) => sum + (atMs - meanAt) * (value - meanValue), 0) / spread
  const rest = points.reduce((sum, { atMs, value }) => sum + (value - meanValue - slope * (atMs - meanAt)) ** 2, 0)
  return { slope, error: Math.sqrt(rest / (count - 2) / spread), meanAt, meanValue }
}
