import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { graceMs, ProofOfLife, silenceMs } from '../../../server/grants/proof-of-life.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'

const node = parseSpiffeId('spiffe://example.org/spire/agent/join_token/a')
const other = parseSpiffeId('spiffe://example.org/spire/agent/join_token/b')

/** Looks once a second, as the server does, and says when the first grant was found silent: ms after `from`. */
function silentAfter(life: ProofOfLife, fromBootMs: number, forMs: number): number | undefined {
  for (let bootMs = fromBootMs + 1_000; bootMs <= fromBootMs + forMs; bootMs += 1_000) if (life.orphans(bootMs).length > 0) return bootMs - fromBootMs
  return undefined
}

describe('proof of life', () => {
  test('invariant 13: a running grant that nobody vouches for is found after 15 s', () => {
    const life = new ProofOfLife(1_000)
    life.watch('g', node, 1_000)
    expect(silentAfter(life, 1_000, 60_000)).toBe(silenceMs)
    expect(life.orphans(17_000)).toEqual(['g'])
    life.forget('g')
    expect(life.orphans(18_000)).toEqual([])
  })

  test('each word of its agent gives it 15 s more; that of another gives nothing', () => {
    const life = new ProofOfLife(0)
    life.watch('g', node, 0)
    for (let bootMs = 1_000; bootMs <= 60_000; bootMs += 1_000) {
      if (bootMs % 5_000 === 0) life.heard(node, ['g'], bootMs)
      expect(life.orphans(bootMs)).toEqual([])
    }
    for (let bootMs = 61_000; bootMs <= 74_000; bootMs += 1_000) life.heard(other, ['g'], bootMs)
    expect(life.orphans(75_000)).toEqual(['g'])
  })

  test('invariant 13: after a start each agent has a minute, and 15 s from its first word on', () => {
    const life = new ProofOfLife(0)
    life.resume([{ id: 'a', agentId: node }, { id: 'b', agentId: other }])
    for (let bootMs = 1_000; bootMs <= 20_000; bootMs += 1_000) expect(life.orphans(bootMs)).toEqual([])
    life.heard(node, [], 20_000)
    expect(silentAfter(life, 20_000, silenceMs)).toBe(silenceMs)
    expect(life.orphans(35_000)).toEqual(['a'])
    life.forget('a')
    expect(silentAfter(life, 35_000, 60_000)).toBe(graceMs - 35_000)
  })

  test('invariant 13: after a start many agents have as long as it takes to let them all in', () => {
    const life = new ProofOfLife(0)
    life.resume(Array.from({ length: 10_000 }, (_, at) => ({ id: `${at}`, agentId: parseSpiffeId(`spiffe://example.org/spire/agent/join_token/${at}`) })))
    expect(silentAfter(life, 0, 200_000)).toBe(100_000)
  })

  test('time in which the server did not serve does not count', () => {
    const life = new ProofOfLife(0)
    life.watch('g', node, 0)
    for (let bootMs = 1_000; bootMs <= 10_000; bootMs += 1_000) life.orphans(bootMs)
    expect(life.orphans(100_000)).toEqual([])
    life.heard(node, ['g'], 100_010)
    expect(silentAfter(life, 100_000, 60_000)).toBe(silenceMs + 1_000)
  })

  test('invariant 13: whoever is vouched for within 15 s is never found, whoever is not is found within 16 s', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 20 }), (pauses) => {
        const life = new ProofOfLife(0)
        life.watch('g', node, 0)
        let second = 0
        for (const pause of pauses) {
          for (let passed = 1; passed <= pause; passed++) {
            second++
            const found = life.orphans(second * 1_000).length > 0
            expect(found).toBe(passed >= silenceMs / 1_000)
            if (found) return
          }
          life.heard(node, ['g'], second * 1_000)
        }
      }),
    )
  })
})
