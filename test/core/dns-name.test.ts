import { expect, test } from 'vitest'
import { isDnsName } from '../../src/core/dns-name.ts'

test.each(['a', 'a.b', 'A-1.b', 'a_b.c', '_spiffe.x', '*.a.b', `${'a'.repeat(63)}.b`, Array.from({ length: 127 }, () => 'a').join('.')])('%s is a DNS name', (name) => {
  expect(isDnsName(name)).toBe(true)
})

test.each(['', '.', 'a.', '.a', 'a..b', '*', '*.', 'a.*.b', '*a.b', '-a', 'a-', 'a b', 'a\n', 'é.b', `${'a'.repeat(64)}.b`, Array.from({ length: 128 }, () => 'a').join('.')])('%j is none', (name) => {
  expect(isDnsName(name)).toBe(false)
})
