import { expect, test } from 'vitest'
import { GrantTime } from '../../../server/grants/grant-time.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const startMs = Date.UTC(2026, 0, 1)
const hourMs = 3_600_000

test('invariant 15: a clock that is set back takes no time back', async () => {
  const clock = new FakeClock(startMs)
  const time = new GrantTime(clock, 0)
  await clock.advance(60_000)
  clock.jump(-hourMs)
  expect(time.nowMs()).toBe(startMs + 60_000)
  await clock.advance(30_000)
  expect(time.nowMs()).toBe(startMs + 90_000)
  expect(time.leapMs).toBe(-hourMs)
})

test('invariant 15: a leap of over five minutes is not believed for a day, then it is', async () => {
  const clock = new FakeClock(startMs)
  const time = new GrantTime(clock, 0)
  clock.jump(300_001)
  expect(time.nowMs()).toBe(startMs)
  expect(time.leapMs).toBe(300_001)
  await clock.advance(86_399_999)
  expect(time.nowMs()).toBe(startMs + 86_399_999)
  await clock.advance(1)
  expect(time.nowMs()).toBe(clock.nowMs())
  expect(time.leapMs).toBeUndefined()
})

test('a leap that is taken back was none', async () => {
  const clock = new FakeClock(startMs)
  const time = new GrantTime(clock, 0)
  clock.jump(hourMs)
  time.nowMs()
  await clock.advance(80_000_000)
  clock.jump(-hourMs)
  expect(time.nowMs()).toBe(clock.nowMs())
  clock.jump(hourMs)
  await clock.advance(80_000_000)
  expect(time.nowMs()).toBe(clock.nowMs() - hourMs)
})

test('small corrections are followed', () => {
  const clock = new FakeClock(startMs)
  const time = new GrantTime(clock, 0)
  clock.jump(2_000)
  expect(time.nowMs()).toBe(startMs + 2_000)
})

test('a server that starts with its clock set back begins where the record ends', () => {
  const clock = new FakeClock(startMs)
  expect(new GrantTime(clock, startMs + hourMs).nowMs()).toBe(startMs + hourMs)
})
