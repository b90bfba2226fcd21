import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatSelector, matches, parseSelector } from '../../src/core/selector.ts'

const invalid = expect.objectContaining({ code: 'SELECTOR_INVALID' })

test('the type ends at the first colon, the value keeps the rest', () => {
  expect(parseSelector('unix:uid:1000')).toEqual({ type: 'unix', value: 'uid:1000' })
})

test('a selector without type, value or colon is refused', () => {
  for (const text of ['', 'unix', 'unix:', ':uid', `${'t'.repeat(65)}:v`, `t:${'v'.repeat(4097)}`]) expect(() => parseSelector(text)).toThrow(invalid)
})

test('what parses is written back the same', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), (text) => {
      try {
        expect(formatSelector(parseSelector(text))).toBe(text)
      } catch (error) {
        expect(error).toEqual(invalid)
      }
    }),
  )
})

test('all wanted selectors must be among the facts, and none wanted matches nobody', () => {
  const facts = new Set(['unix:uid:1', 'unix:gid:2'])
  expect(matches([parseSelector('unix:uid:1')], facts)).toBe(true)
  expect(matches([parseSelector('unix:uid:1'), parseSelector('unix:path:/x')], facts)).toBe(false)
  expect(matches([], facts)).toBe(false)
})
