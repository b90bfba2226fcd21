import fc from 'fast-check'
import { expect, test } from 'vitest'
import { payloadOf, recordOf } from '../../../server/journal/payload.ts'
import type { JournalRecord, ReservedCredential } from '../../../server/journal/records.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { sha256 } from '../../support/store/samples.ts'

const ids = ['spiffe://example.org/a', 'spiffe://example.org/b', 'spiffe://example.org/spire/agent/one'].map(parseSpiffeId)
const credential: fc.Arbitrary<ReservedCredential> = fc.record(
  {
    kind: fc.constantFrom('workload', 'agent', 'mint'),
    spiffeId: fc.constantFrom(...ids),
    entryId: fc.constantFrom('entry-1', 'entry-2'),
    agentId: fc.constantFrom(...ids),
    owner: fc.constantFrom('', 'team'),
    publicKeyHash: fc.constantFrom('key 1', 'key 2').map(sha256),
    authorityId: fc.constant(sha256('authority')),
    notBeforeMs: fc.constantFrom(1, 2),
    notAfterMs: fc.constantFrom(3, 4),
    serial: fc.uint8Array({ minLength: 17, maxLength: 17 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  },
  { requiredKeys: ['kind', 'spiffeId', 'owner', 'publicKeyHash', 'authorityId', 'notBeforeMs', 'notAfterMs', 'serial'] },
)

test('whatever credentials of a batch have in common, its record is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(credential, { minLength: 1, maxLength: 5 }), (credentials) => {
      const record: JournalRecord = { kind: 'credentials.reserved', credentials, atMs: 5 }
      expect(recordOf({ kind: record.kind, payload: payloadOf(record) })).toEqual(record)
    }),
  )
})

test('what a batch has in common stands in the journal once', () => {
  const credentials = fc.sample(credential, { numRuns: 50, seed: 1 }).map((one) => ({ ...one, agentId: parseSpiffeId('spiffe://example.org/spire/agent/common') }))
  const payload = payloadOf({ kind: 'credentials.reserved', credentials, atMs: 5 })
  expect(payload.split('spire/agent/common')).toHaveLength(2)
})

test('a record from before batches were written so is read as it stands', () => {
  const record: JournalRecord = { kind: 'credentials.reserved', credentials: fc.sample(credential, { numRuns: 3, seed: 1 }), atMs: 5 }
  const { kind, ...rest } = record
  expect(recordOf({ kind, payload: JSON.stringify(rest) })).toEqual(record)
})
