import fc from 'fast-check'
import { expect, test } from 'vitest'
import { methodOf } from '../../src/rpc/services.ts'
import { written } from '../../src/rpc/written.ts'

const { requestSerialize, requestDeserialize } = methodOf('mayfly.v1.GrantControl', 'RecordSteps')
const step = fc.record({ grantId: fc.string(), action: fc.string(), resource: fc.string(), description: fc.string(), allowed: fc.boolean(), reasons: fc.array(fc.string()), atMs: fc.maxSafeNat(), policyHash: fc.string() })

test('a list that was written part by part is read as one that was written at once', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 5 }), (parts) => {
      const sent = requestSerialize(written({}, parts.map((steps) => requestSerialize({ steps }))))
      expect(sent).toEqual(requestSerialize({ steps: parts.flat() }))
      expect(requestDeserialize(sent)).toEqual({ steps: parts.flat() })
    }),
  )
})
