import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { skewOf } from '../../src/core/version-skew.ts'

describe('an agent and its server', () => {
  test.each([
    ['0.3.0', '0.3.9', 'supported'],
    ['0.2.7', '0.3.0', 'supported'],
    ['0.4.0-rc.1', '0.3.0', 'supported'],
    ['0.1.0', '0.3.0', 'too_old'],
    ['0.5.0', '0.3.0', 'too_new'],
    ['0.9.0', '1.0.0', 'supported'],
    ['0.9.0', '1.1.0', 'too_old'],
    ['1.0.0', '0.9.0', 'supported'],
    ['1.1.0', '0.9.0', 'too_new'],
    ['3.0.0', '1.0.0', 'too_new'],
    ['1.0.0', '3.0.0', 'too_old'],
    ['0.0.9', '0.1.0', 'too_old'],
    ['v0.1.0+abc', '0.1.0', 'supported'],
    ['fault test', '0.1.0', 'unknown'],
    ['0.1.0', '', 'unknown'],
    ['0.1', '0.1.0', 'unknown'],
  ])('%s with a server of %s: %s', (agent, server, kind) => {
    expect(skewOf(agent, server)).toEqual({ kind })
  })

  test('the same version is always supported, and so is the next minor one, in either direction', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.integer({ min: 1, max: 50 }), fc.nat(20), fc.nat(20), (major, minor, patch, other) => {
        const [one, next] = [`${major}.${minor}.${patch}`, `${major}.${minor + 1}.${other}`]
        expect([skewOf(one, one), skewOf(one, next), skewOf(next, one)]).toEqual([{ kind: 'supported' }, { kind: 'supported' }, { kind: 'supported' }])
      }),
    )
  })

  test('no text makes it fail', () => {
    fc.assert(fc.property(fc.string(), (text) => void skewOf(text, '0.1.0')))
  })
})
