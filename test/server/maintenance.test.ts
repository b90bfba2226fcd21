import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Maintenance } from '../../server/maintenance.ts'
import { SteadyTime } from '../../server/steady-time.ts'
import type { Store } from '../../server/store/port.ts'
import { minuteOf } from '../../src/core/serial.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { FakeClock, settle } from '../support/fake-clock.ts'
import { openAt } from '../support/store/open.ts'
import { decided, requested, role, wish } from '../support/store/grants.ts'
import { actorAt, by, issue, nowMs, prepareToIssue, request, spec } from '../support/store/samples.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000

describe('steady time', () => {
  test('goes on as real time does and is never ahead of the wall clock', () => {
    const time = new SteadyTime(nowMs, { nowMs, bootMs: 0 })
    expect(time.look({ nowMs: nowMs + hourMs, bootMs: hourMs })).toBe(nowMs + hourMs)
    expect(time.look({ nowMs, bootMs: 2 * hourMs })).toBe(nowMs)
  })

  test('does not follow a leap ahead before a day has really passed at the leapt time', () => {
    const time = new SteadyTime(nowMs, { nowMs, bootMs: 0 })
    for (let hour = 1; hour <= 24; hour++) expect(time.look({ nowMs: nowMs + 30 * dayMs + hour * hourMs, bootMs: hour * hourMs })).toBe(nowMs + hour * hourMs)
    expect(time.look({ nowMs: nowMs + 30 * dayMs + 25 * hourMs, bootMs: 25 * hourMs })).toBe(nowMs + 30 * dayMs + 25 * hourMs)
  })

  test('property: over leaps of any kind that last less than a day it is at most the true time', () => {
    const step = fc.record({ passMs: fc.integer({ min: 1, max: 4 * hourMs }), leapMs: fc.oneof(fc.constant(0), fc.integer({ min: -400 * dayMs, max: 400 * dayMs })), forSteps: fc.integer({ min: 1, max: 5 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const time = new SteadyTime(nowMs, { nowMs, bootMs: 0 })
        let bootMs = 0
        for (const { passMs, leapMs, forSteps } of steps) {
          for (let at = 0; at < forSteps; at++) expect(time.look({ nowMs: nowMs + (bootMs += passMs) + leapMs, bootMs })).toBeLessThanOrEqual(nowMs + bootMs)
          expect(time.look({ nowMs: nowMs + (bootMs += passMs), bootMs })).toBeLessThanOrEqual(nowMs + bootMs)
        }
      }),
    )
  })
})

describe('maintenance', () => {
  let clock: FakeClock
  let store: Store
  let maintenance: Maintenance

  beforeEach(async () => {
    clock = new FakeClock(nowMs)
    store = await openAt(':memory:')
    await prepareToIssue(store)
    await store.entries.create([spec(1)], by)
    maintenance = new Maintenance({ store, clock, log: new KeptLog() })
    await settle()
  })

  afterEach(async () => {
    await maintenance[Symbol.asyncDispose]()
    await store.journal.verify()
    await store[Symbol.asyncDispose]()
  })

  /** Lets time pass in steps that the store's thread keeps up with. */
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10 * minuteMs) {
      await clock.advance(Math.min(left, 10 * minuteMs))
      await store.stream.head()
      await store.stream.head()
      await settle()
    }
  }

  const bits = async (): Promise<number> => (await store.stream.load(0)).buckets.length

  test('drops rows and bits a week after they ended', async () => {
    const [serial = ''] = await issue(store, request(1))
    await store.targets.revoke({ kind: 'serial', serial }, { rotate: false, dryRun: false, reason: '' }, by)
    await pass(6 * dayMs)
    expect([await store.credentials.count({}), await bits()]).toEqual([1, 1])
    await pass(dayMs + 3 * hourMs)
    expect([await store.credentials.count({}), await bits()]).toEqual([0, 0])
    expect(await store.credentials.prunedBefore()).toBeGreaterThan(nowMs)
  })

  test('a clock that leaps a month ahead and back again loses no bit of a live bucket and no row', async () => {
    const [serial = ''] = await issue(store, request(1, { notAfterMs: nowMs + 20 * hourMs }))
    await store.targets.revoke({ kind: 'serial', serial }, { rotate: false, dryRun: false, reason: '' }, by)
    clock.jump(30 * dayMs)
    await pass(12 * hourMs)
    expect(await store.credentials.count({})).toBe(1)
    clock.jump(-30 * dayMs)
    await pass(2 * hourMs)
    const { buckets } = await store.stream.load(0)
    expect(buckets).toMatchObject([{ minute: minuteOf(nowMs + 20 * hourMs), revoked: [0] }])
    expect(await store.credentials.bySerial(serial)).toMatchObject({ state: 'revoked' })
  })

  test('a leap while it does not run is no more believed than one while it does', async () => {
    await issue(store, request(1))
    await maintenance[Symbol.asyncDispose]()
    clock.jump(365 * dayMs)
    maintenance = new Maintenance({ store, clock, log: new KeptLog() })
    await pass(20 * hourMs)
    expect(await store.credentials.count({})).toBe(1)
    await pass(6 * hourMs)
    expect(await store.credentials.count({})).toBe(0)
  })

  test('grants that were over 90 days ago are dropped, with what was decided of them; what runs stays', async () => {
    await store.owners.put({ name: 'team-a', contact: '' }, by)
    const writer = await store.roles.put(role(), 0, by)
    const denied = await store.grants.request(requested(writer, undefined, wish(1)), by, decided('denied'))
    const waiting = await store.grants.request(requested(writer, undefined, wish(2)), by, decided('approved'))
    await maintenance[Symbol.asyncDispose]()
    clock.jump(91 * dayMs)
    maintenance = new Maintenance({ store, clock, log: new KeptLog() })
    await pass(20 * hourMs)
    expect(await store.grants.byId(denied.id)).toBeDefined()
    await pass(6 * hourMs)
    expect(await store.grants.byId(denied.id)).toBeUndefined()
    expect(await store.grants.decisions(denied.id)).toEqual([])
    expect(await store.grants.byId(waiting.id)).toMatchObject({ state: 'approved' })
  })

  test('events of the stream are dropped once all had ten minutes to read them, the newest never', async () => {
    const serials = await issue(store, ...Array.from({ length: 1_200 }, () => request(1)))
    for (const serial of serials) await store.credentials.supersede([serial], actorAt(nowMs))
    const before = await store.stream.head()
    await pass(10 * minuteMs)
    const kept = await store.stream.eventsAfter(0, 2_000)
    await pass(10 * minuteMs)
    expect(kept).toHaveLength(1_201)
    expect(await store.stream.eventsAfter(0, 2_000)).toMatchObject([{ seq: 1_201 }])
    expect(await store.stream.head()).toEqual(before)
    expect((await store.stream.load(0)).buckets[0]?.superseded).toHaveLength(1_200)
  })
})
