import { expect, test } from 'vitest'
import { merge } from '../../../server/api/merge.ts'
import { Quota } from '../../../src/rpc/quota.ts'
import { RisingUuids } from '../../../server/api/uuid.ts'
import { Wakeup } from '../../../server/api/wakeup.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { collect } from '../../support/rpc/harness.ts'

async function* from<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

test('merge gives all items of all sources, each source in its order', async () => {
  const merged = await collect(merge([from(1, 2, 3), from(10, 20), from<number>()]))
  expect(merged.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 10, 20])
  expect(merged.filter((item) => item < 10)).toEqual([1, 2, 3])
})

test('the failure of one source is the failure of the whole, and the others are told to end', async () => {
  let ended = false
  async function* other(): AsyncGenerator<number> {
    try {
      for (let at = 0; ; at++) yield at
    } finally {
      ended = true
    }
  }
  // oxlint-disable-next-line require-yield -- it fails before its first item
  async function* failing(): AsyncGenerator<number> {
    throw new Error('gone')
  }
  await expect(collect(merge([other(), failing()]))).rejects.toThrow('gone')
  expect(ended).toBe(true)
})

test('a reader that leaves ends the sources', async () => {
  let ended = false
  async function* endless(): AsyncGenerator<number> {
    try {
      for (let at = 0; ; at++) yield at
    } finally {
      ended = true
    }
  }
  for await (const item of merge([endless()])) if (item === 3) break
  expect(ended).toBe(true)
})

test('a wake before the wait is not lost, and an abort ends the wait', async () => {
  const wakeup = new Wakeup()
  const stop = new AbortController()
  wakeup.wake()
  await wakeup.wait(stop.signal)
  const waiting = wakeup.wait(stop.signal)
  stop.abort()
  await waiting
  await wakeup.wait(stop.signal)
  expect(stop.signal.aborted).toBe(true)
})

test('a quota is taken by caller and refills with time', () => {
  let nowMs = 0
  const quota = new Quota({ ...systemClock, bootMs: () => nowMs }, { perSecond: 10, burst: 20, setting: 'limits.x' })
  quota.take('a', 20)
  expect(() => quota.take('a', 1)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: { retryAfterMs: 100 } }))
  quota.take('b', 20)
  nowMs = 100
  quota.take('a', 1)
  expect(() => quota.take('a', 1)).toThrow('too much')
  nowMs = 100_000
  quota.take('a', 20)
  expect(() => quota.take('a', 1)).toThrow('this caller asks for too much at once: limits.x is 10')
})

test('more in one call than can ever be saved up is let through once all of that is there, and waited for afterwards', () => {
  let nowMs = 0
  const quota = new Quota({ ...systemClock, bootMs: () => nowMs }, { perSecond: 10, burst: 20 })
  quota.take('a', 1)
  expect(() => quota.take('a', 100)).toThrow(expect.objectContaining({ details: { retryAfterMs: 100 } }))
  nowMs = 100
  quota.take('a', 100)
  expect(() => quota.take('a', 1)).toThrow(expect.objectContaining({ details: { retryAfterMs: 8_100 } }))
  nowMs = 8_199
  expect(() => quota.take('a', 1)).toThrow('too much')
  nowMs = 8_200
  quota.take('a', 1)
})

test('entry ids are UUIDs of version 7 that rise, within one ms and when the clock steps back', () => {
  const ids = new RisingUuids(systemRandom)
  const made = [1_700_000_000_000, 1_700_000_000_000, 1_699_999_999_000, 1_700_000_000_001].map((nowMs) => ids.next(nowMs))
  for (let at = 0; at < 5_000; at++) made.push(ids.next(1_700_000_000_001))
  for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect([...made].sort()).toEqual(made)
  expect(new Set(made).size).toBe(made.length)
})
