import fc from 'fast-check'
import type { RevocationEvent } from '../../../src/core/revocation/codec.ts'
import { parseSpiffeId, type SpiffeId } from '../../../src/core/spiffe-id.ts'

/** Few places, so that events meet. */
export const serialEvent: fc.Arbitrary<RevocationEvent> = fc.record({
  kind: fc.constantFrom('superseded' as const, 'revoked' as const),
  shard: fc.integer({ min: 1, max: 3 }),
  minute: fc.integer({ min: 100, max: 104 }),
  index: fc.integer({ min: 0, max: 40 }),
})

export const authorityEvent: fc.Arbitrary<RevocationEvent> = fc.record({
  kind: fc.constantFrom('authority_indexed' as const, 'authority_revoked' as const),
  authorityId: fc.constantFrom('aa', 'bb', 'cc').map((pair) => pair.repeat(32)),
})

/** Trees that lie in each other and beside each other. */
export const grantIds: readonly SpiffeId[] = ['/a/task/1', '/a/task/1/sub/x', '/a/task/1/sub/x/sub/y', '/a/task/1/sub/z', '/a/task/12', '/b/task/1'].map((path) => parseSpiffeId(`spiffe://td${path}`))

export const prefixEvent: fc.Arbitrary<RevocationEvent> = fc.record({
  kind: fc.constant('prefix_closed' as const),
  prefix: fc.constantFrom(...grantIds),
  minute: fc.integer({ min: 100, max: 104 }),
})

export const anyEvent: fc.Arbitrary<RevocationEvent> = fc.oneof(
  { weight: 5, arbitrary: serialEvent },
  { weight: 1, arbitrary: authorityEvent },
  { weight: 1, arbitrary: prefixEvent },
)
