import { expect, test } from 'vitest'

import { verifierMetrics } from '../../src/verify/metrics.ts'
import type { MeasuredFeed } from '../../src/verify/metrics.ts'

const feed: MeasuredFeed = {
  position: { epoch: 7, seq: 9, chainHash: new Uint8Array(32) },
  sources: [
    { name: 'agent', isCurrent: true, isConnected: true, lagMs: 10, leftFor: undefined },
    { name: 'relay:8443', isCurrent: false, isConnected: false, lagMs: Number.POSITIVE_INFINITY, leftFor: undefined },
  ],
  freshness: () => ({ ageMs: 1_500, aheadMs: 20, behindMs: 0 }),
}

test('a verifier says how fresh it is, for each source, as Prometheus reads it', () => {
  const text = verifierMetrics(feed)
  expect(text).toContain('\nmayfly_verifier_revocation_age_seconds 1.5\n')
  expect(text).toContain('\nmayfly_verifier_clock_ahead_seconds 0.02\n')
  expect(text).toContain('\nmayfly_verifier_source_current{source="agent"} 1\n')
  expect(text).toContain('\nmayfly_verifier_source_connected{source="relay:8443"} 0\n')
  expect(text).toContain('\nmayfly_verifier_seq 9\n')
})

test('before the first state it has no age, and says so', () => {
  const text = verifierMetrics({ ...feed, freshness: () => undefined })
  expect(text).toContain('\nmayfly_verifier_synced 0\n')
  expect(text).not.toContain('age_seconds')
})
