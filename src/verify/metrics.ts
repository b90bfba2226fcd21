import type { StreamHead } from '../core/revocation/follower.ts'
import type { Freshness } from '../core/revocation/freshness.ts'
import { exposition } from '../metrics/exposition.ts'
import type { Series } from '../metrics/exposition.ts'
import { verifierCatalogue } from '../metrics/verifier-catalogue.ts'
import type { SourceStatus } from './sources.ts'

/** As much of a `RevocationFeed` as is measured. */
export interface MeasuredFeed {
  readonly position: StreamHead
  readonly sources: readonly SourceStatus[]
  freshness(): Freshness | undefined
}

/** How fresh this process's view of revocations is, as text of Prometheus: for a service to append to its own `/metrics`. docs/metrics.md has the names. */
export function verifierMetrics(feed: MeasuredFeed): string {
  const freshness = feed.freshness()
  const { epoch, seq } = feed.position
  const values: Readonly<Record<string, readonly Series[]>> = {
    mayfly_verifier_synced: [series(freshness === undefined ? 0 : 1)],
    mayfly_verifier_revocation_age_seconds: freshness === undefined ? [] : [series(freshness.ageMs / 1_000)],
    mayfly_verifier_clock_ahead_seconds: freshness === undefined ? [] : [series(freshness.aheadMs / 1_000)],
    mayfly_verifier_clock_behind_seconds: freshness === undefined ? [] : [series(freshness.behindMs / 1_000)],
    mayfly_verifier_epoch: [series(epoch)],
    mayfly_verifier_seq: [series(seq)],
    mayfly_verifier_source_connected: feed.sources.map(({ name, isConnected }) => series(isConnected ? 1 : 0, name)),
    mayfly_verifier_source_current: feed.sources.map(({ name, isCurrent }) => series(isCurrent ? 1 : 0, name)),
  }
  return exposition(verifierCatalogue, (name) => values[name] ?? [])
}

function series(value: number, ...labels: readonly string[]): Series {
  return { labels, value, count: 0, buckets: [] }
}
