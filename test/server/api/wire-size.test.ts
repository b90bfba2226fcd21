import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayflyEntryToWire, wireSize } from '../../../server/api/wire-entry.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { methodOf } from '../../../src/rpc/services.ts'
import { anEntry } from '../../support/agent/entries.ts'

test('an entry takes no more bytes on the wire than messages are cut by, whatever its letters are', () => {
  const { responseSerialize } = methodOf('mayfly.v1.Registry', 'GetEntry')
  const words = fc.string({ unit: fc.constantFrom('a', 'ü', '蜉', '🦋'), minLength: 1, maxLength: 200 })
  const entries = fc.record({
    hint: words,
    owner: words,
    selectors: fc.array(words.map((word) => `docker:label:${word}`), { minLength: 1, maxLength: 50 }),
    dnsNames: fc.array(fc.constant('a'.repeat(60)), { maxLength: 30 }),
    federatesWith: fc.array(fc.constant(parseTrustDomain(`${'b'.repeat(50)}.example`)), { maxLength: 50 }),
  })
  fc.assert(fc.property(entries, (members) => {
    const entry = anEntry('0199a1b2-0000-7000-8000-000000000000', members)
    expect(responseSerialize(mayflyEntryToWire(entry)).length).toBeLessThanOrEqual(wireSize(entry))
  }), { numRuns: 200 })
})
