import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { moveAuthority, nextRotationStep, safeDelayMs, type AuthorityFacts, type AuthorityMove, type AuthorityState } from '../../src/core/authority.ts'

const states: readonly AuthorityState[] = ['prepared', 'active', 'old', 'tainted', 'revoked']
const moves: readonly AuthorityMove[] = ['activate', 'retire', 'taint', 'revoke']

describe('the states of an authority', () => {
  test('move forward only, and revoked is the end', () => {
    const allowed = states.flatMap((state) =>
      moves.flatMap((move) => {
        try {
          return [`${state} ${move} ${moveAuthority(state, move)}`]
        } catch {
          return []
        }
      }),
    )
    expect(allowed).toEqual([
      'prepared activate active',
      'prepared taint tainted',
      'prepared revoke revoked',
      'active retire old',
      'active taint tainted',
      'active revoke revoked',
      'old taint tainted',
      'old revoke revoked',
      'tainted revoke revoked',
    ])
  })
})

describe('rotation', () => {
  const at = (state: AuthorityState, id: string, from: number, to: number, preparedAtMs = from): AuthorityFacts => ({ id, state, notBeforeMs: from, notAfterMs: to, preparedAtMs })
  const terms = { lifeMs: 120_000, acknowledged: () => false }

  test('waits no longer than five minutes or a twelfth of the life', () => {
    expect([safeDelayMs(7 * 86_400_000), safeDelayMs(120_000)]).toEqual([300_000, 10_000])
  })

  test('prepares at half life, not a moment earlier', () => {
    const active = at('active', 'a', 0, 120_000)
    expect(nextRotationStep([active], 59_999, terms)).toEqual({ kind: 'wait', untilMs: 60_000 })
    expect(nextRotationStep([active], 60_000, terms)).toEqual({ kind: 'prepare', replaces: false })
  })

  test('replaces one whose upstream has changed at once, whatever its age', () => {
    const replaced = { ...at('active', 'a', 0, 120_000), replaced: true }
    expect(nextRotationStep([replaced], 1, terms)).toEqual({ kind: 'prepare', replaces: true })
    const both = [replaced, at('prepared', 'b', 10, 120_010)]
    expect(nextRotationStep(both, 10, terms)).toEqual({ kind: 'wait', untilMs: 10_010 })
    expect(nextRotationStep(both, 10, { ...terms, acknowledged: () => true })).toEqual({ kind: 'activate', id: 'b' })
    expect(nextRotationStep(both, 10_010, terms)).toEqual({ kind: 'activate', id: 'b' })
  })

  test('activates after the safe delay, or once acknowledged', () => {
    const both = [at('active', 'a', 0, 120_000), at('prepared', 'b', 60_000, 180_000)]
    expect(nextRotationStep(both, 69_999, terms)).toEqual({ kind: 'wait', untilMs: 70_000 })
    expect(nextRotationStep(both, 70_000, terms)).toEqual({ kind: 'activate', id: 'b' })
    expect(nextRotationStep(both, 60_001, { ...terms, acknowledged: (id) => id === 'b' })).toEqual({ kind: 'activate', id: 'b' })
  })

  test('an authority is in the bundle up to its last moment, included', () => {
    const both = [at('old', 'a', 0, 120_000), at('active', 'b', 60_000, 1_000_000)]
    expect(nextRotationStep(both, 120_000, terms)).toEqual({ kind: 'wait', untilMs: 120_001 })
    expect(nextRotationStep(both, 120_001, terms)).toEqual({ kind: 'remove', id: 'a' })
  })

  test('one that was prepared by hand waits for a hand, or until half of the active one’s life is over', () => {
    const both = [at('active', 'a', 0, 120_000), at('prepared', 'b', 10_000, 130_000)]
    const known = { lifeMs: 120_000, acknowledged: () => true }
    expect(nextRotationStep(both, 59_999, known)).toEqual({ kind: 'wait', untilMs: 60_000 })
    expect(nextRotationStep(both, 60_000, known)).toEqual({ kind: 'activate', id: 'b' })
    expect(nextRotationStep(both, 60_000, { ...known, acknowledged: () => false })).toEqual({ kind: 'activate', id: 'b' }) // ten seconds have passed since it was prepared
  })

  test('from any state, carrying out what is due soon leads to one active authority and a wait that lies ahead', () => {
    const facts = fc.record({ state: fc.constantFrom<AuthorityState>('prepared', 'old', 'tainted', 'revoked'), from: fc.integer({ min: -300_000, max: 0 }), life: fc.integer({ min: 1_000, max: 400_000 }) })
    const world = fc.tuple(fc.array(facts, { maxLength: 5 }), fc.option(fc.integer({ min: -200_000, max: 0 }), { nil: undefined }), fc.boolean())
    fc.assert(
      fc.property(world, ([others, activeFrom, acknowledged]) => {
        let all = others.map(({ state, from, life }, index) => at(state, `o${index}`, from, from + life))
        if (activeFrom !== undefined) all.push(at('active', 'active', activeFrom, activeFrom + 120_000))
        for (let steps = 0; ; steps++) {
          expect(steps).toBeLessThan(20)
          const step = nextRotationStep(all, 0, { lifeMs: 120_000, acknowledged: () => acknowledged })
          if (step.kind === 'wait') {
            expect(step.untilMs).toBeGreaterThan(0)
            break
          }
          if (step.kind === 'prepare') all.push(at('prepared', `n${steps}`, 0, 120_000))
          else if (step.kind === 'remove') all = all.filter(({ id }) => id !== step.id)
          else all = all.map((one) => (one.id === step.id ? { ...one, state: moveAuthority(one.state, 'activate') } : one.state === 'active' ? { ...one, state: moveAuthority(one.state, 'retire') } : one))
        }
        const active = all.filter(({ state }) => state === 'active')
        expect(active).toHaveLength(1)
        expect(active[0]?.notAfterMs).toBeGreaterThanOrEqual(0)
        expect(all.filter(({ state, notAfterMs }) => state !== 'revoked' && notAfterMs < 0)).toEqual([])
      }),
    )
  })
})
