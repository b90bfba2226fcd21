import fc from 'fast-check'
import type { RevocationEvent } from '../../../src/core/revocation/codec.ts'

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

export const anyEvent: fc.Arbitrary<RevocationEvent> = fc.oneof({ weight: 5, arbitrary: serialEvent }, { weight: 1, arbitrary: authorityEvent })
