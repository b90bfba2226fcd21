import fc from 'fast-check'
import { expect, test } from 'vitest'
import { grantIdOf, isGrantId, maxDepth, subIdOf, taskIdOf } from '../../../src/core/grant/grant-id.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { taskOf } from '../../../src/core/task.ts'

const workload = parseSpiffeId('spiffe://example.org/deploy-bot')

test('the ID of a grant is its 128 bits in 26 characters, in the order of the bits', () => {
  expect(grantIdOf(new Uint8Array(16))).toBe('0'.repeat(26))
  expect(grantIdOf(new Uint8Array(16).fill(255))).toBe(`7${'z'.repeat(25)}`)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.uint8Array({ minLength: 16, maxLength: 16 }), (left, right) => {
      expect(isGrantId(grantIdOf(left))).toBe(true)
      expect(Math.sign(Buffer.compare(left, right))).toBe(grantIdOf(left) < grantIdOf(right) ? -1 : grantIdOf(left) === grantIdOf(right) ? 0 : 1)
    }),
  )
  expect(() => grantIdOf(new Uint8Array(15))).toThrow('16 bytes')
})

test.for(['', '0'.repeat(25), '0'.repeat(27), `8${'0'.repeat(25)}`, `0${'i'.repeat(25)}`, `0${'l'.repeat(25)}`, `0${'o'.repeat(25)}`, `0${'u'.repeat(25)}`, `0${'A'.repeat(25)}`])('%s is no ID of a grant', (text) => {
  expect(isGrantId(text)).toBe(false)
})

test("a grant's SPIFFE ID lies under the workload's, a child's under its parent's, and parses back", () => {
  const root = taskIdOf(workload, grantIdOf(new Uint8Array(16)))
  const child = subIdOf(root, grantIdOf(new Uint8Array(16).fill(255)))
  expect(taskOf(child)).toEqual({ workload, grantId: '0'.repeat(26), subs: [`7${'z'.repeat(25)}`] })
  expect(() => subIdOf(workload, 'x')).toThrow('not the ID of a grant')
  for (const path of ['', '/spire/server', '/a/task/b', '/sub/a']) expect(() => taskIdOf(parseSpiffeId(`spiffe://example.org${path}`), 'x')).toThrow('cannot have grants')
})

test(`invariant 6: no tree is deeper than ${maxDepth}`, () => {
  let id = taskIdOf(workload, grantIdOf(new Uint8Array(16)))
  for (let depth = 1; depth <= maxDepth; depth++) id = subIdOf(id, grantIdOf(new Uint8Array(16).fill(depth)))
  expect(() => subIdOf(id, grantIdOf(new Uint8Array(16)))).toThrow('at most 6 deep')
})
