import { describe, expect, test } from 'vitest'

import { targetOf, targetOption } from '../../src/cli/target.ts'

const serial = `01${'ab'.repeat(16)}`

describe('the target of a revocation, by its form', () => {
  test.each([
    [serial, { serial }],
    [serial.toUpperCase(), { serial }],
    [(serial.match(/../g) ?? []).join(':'), { serial }],
    ['spiffe://example.org/web', { spiffeId: 'spiffe://example.org/web' }],
    ['spiffe://example.org/spire/agent/join_token/a', { agentId: 'spiffe://example.org/spire/agent/join_token/a' }],
    ['6c1f1f0e-63a4-4a0b-9f0c-0f2b8f6c3a11', { entryId: '6c1f1f0e-63a4-4a0b-9f0c-0f2b8f6c3a11' }],
    ['payments', { entryId: 'payments' }],
  ])('%s', (text, target) => {
    expect(targetOf(text, {})).toEqual(target)
  })

  test.each(['/tmp/x', 'a b', '', 'spiffe://Example.org/x', '00'.repeat(17)])('%j is refused', (text) => {
    expect(() => targetOf(text, {})).toThrow()
  })

  test('exactly one is named', () => {
    expect(() => targetOf(undefined, {})).toThrow('nothing is named')
    expect(() => targetOf('payments', { owner: 'ops' })).toThrow('more than one thing is named')
    expect(targetOf(undefined, { owner: 'ops' })).toEqual({ owner: 'ops' })
  })

  test('its option names it without a guess', () => {
    expect(targetOption({ owner: 'data team' })).toBe('--owner "data team"')
    expect(targetOption({ spiffeId: 'spiffe://example.org/web' })).toBe('--id spiffe://example.org/web')
  })
})
