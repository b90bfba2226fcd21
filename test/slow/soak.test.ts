import { expect, onTestFinished, test } from 'vitest'

import { soak } from '../soak/soak.ts'

/** `npm run soak -- --minutes 60` is the real one: in a minute only what leaks fast is seen, since caches still fill. */
test('a minute of rotations, fetches, revocations, grants and agents that come and go: nothing fails, no descriptor stays open', async () => {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const { isGood, tally, rotations, processes } = await soak({
    minutes: 1,
    agents: 2,
    entries: 5,
    verifiers: 5,
    pace: { fetchMs: 200, revokeMs: 1_000, grantMs: 1_000, agentMs: 3_000 },
    memoryMb: { perHour: 0, floor: 40 },
    descriptors: { perHour: 0, floor: 6 },
    row: () => undefined,
    signal: stop.signal,
  })
  expect(tally.failures).toEqual([])
  expect(rotations).toBeGreaterThanOrEqual(10)
  expect(Math.min(tally.fetches, tally.revocations, tally.grants, tally.agents)).toBeGreaterThanOrEqual(3)
  expect(processes).toEqual(Object.fromEntries(Object.keys(processes).map((name) => [name, { memory: expect.objectContaining({ isFlat: true }), descriptors: expect.objectContaining({ isFlat: true }) }])))
  expect(isGood).toBe(true)
})
