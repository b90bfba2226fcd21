import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { OwnerChanges } from '../../../server/grants/owner-changes.ts'
import { GrantTime } from '../../../server/grants/grant-time.ts'
import { TargetEnds } from '../../../server/grants/target-ends.ts'
import type { Store } from '../../../server/store/port.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { count, prepareForEnds, target } from '../../support/store/ends-crash-run.ts'
import { workerWith } from '../../support/store/faults.ts'
import { openAt, temporaryFolder, type TemporaryFolder } from '../../support/store/open.ts'
import { agentId, by, nowMs, prepareToIssue, request, spec } from '../../support/store/samples.ts'

let template: TemporaryFolder

beforeAll(async () => {
  template = await temporaryFolder()
  await prepareForEnds(join(template.path, 'mayfly.db'))
})

afterAll(async () => await template[Symbol.asyncDispose]())

const options = { rotate: false, dryRun: false, reason: 'incident 7', expect: count }

test('a rotation of very much lets other changes in between, and supersedes all of it before it resolves', async () => {
  const store = await openAt(':memory:')
  onTestFinished(async () => store[Symbol.asyncDispose]())
  const clock = new FakeClock(nowMs)
  await using ends = await TargetEnds.start({ store, clock, log: new KeptLog(), time: new GrantTime(clock, nowMs) })
  await prepareToIssue(store)
  await store.entries.create([spec(1)], by)
  const requests = Array.from({ length: 1_700 }, (_, n) => request(1, { key: `key ${n}` }))
  expect((await store.credentials.reserve(requests, nowMs)).every(({ ok }) => ok)).toBe(true)
  const { seq } = await store.journal.head()
  const rotation = ends.revoke({ kind: 'agent', id: agentId }, { rotate: true, dryRun: false, reason: '', expect: 1_700 }, by)
  for (let nth = 0; nth < 3; nth++) await store.owners.put({ name: 'team-b', contact: `#${nth}` }, by)
  expect(await rotation).toMatchObject({ hits: { credentials: 1_700 }, streamSeq: (await store.stream.head()).seq })
  expect(await store.credentials.count({ agentId, liveAtMs: nowMs })).toBe(0)
  const kinds = (await store.journal.from(seq + 1, 10_000)).map(({ record }) => record.kind)
  expect(kinds.filter((kind) => kind === 'credentials.ended')).toHaveLength(4)
  expect(kinds.indexOf('owner.put')).toBeLessThan(kinds.lastIndexOf('credentials.ended'))
})

test('a call resolves when all has ended, with all that it hit and where to wait for it; other changes are made between its pieces', async () => {
  const { store, ends } = await prepared()
  const { seq } = await store.journal.head()
  const [end] = await Promise.all([
    ends.revoke(target, options, by),
    ...[1, 2, 3].map(async (nth) => {
      await Promise.resolve()
      await store.owners.put({ name: 'team-b', contact: `#${nth}` }, by)
    }),
  ])
  expect(end).toMatchObject({ hits: { credentials: count }, streamSeq: (await store.stream.head()).seq })
  expect(await running(store)).toBe(0)
  await store.owners.put({ name: 'team-b', contact: '#4' }, by)
  const kinds = (await store.journal.from(seq + 1, 10_000)).map(({ record }) => record.kind)
  expect(kinds.indexOf('target.ending')).toBeLessThan(kinds.indexOf('owner.put'))
  expect(kinds.indexOf('owner.put')).toBeLessThan(kinds.indexOf('target.ended'))
})

test('an owner of very much hands over in pieces, between which other changes are made, and resolves when nothing is left', async () => {
  const { store, ends, log } = await prepared()
  const { seq } = await store.journal.head()
  const handover = new OwnerChanges({ store, ends, log }).transfer('team-a', 'team-b', by)
  await store.owners.put({ name: 'team-b', contact: '#1' }, by)
  expect(await handover).toMatchObject({ owned: { grants: count, roles: 1 }, ended: [], more: false })
  expect(await store.grants.count({ owner: 'team-a', states: ['active'] })).toBe(0)
  expect(await store.grants.count({ owner: 'team-b', states: ['active'] })).toBe(count)
  expect(await store.credentials.count({ owner: 'team-a' })).toBe(0)
  const kinds = (await store.journal.from(seq + 1, 10_000)).map(({ record }) => record.kind)
  expect(kinds.indexOf('owner.put')).toBeLessThan(kinds.indexOf('owner.transferred'))
  await store.journal.verify()
})

test('two who ask for the same both wait for all of it', async () => {
  const { store, ends } = await prepared()
  const [first, second] = await Promise.all([ends.revoke(target, options, by), ends.ban(agentId, by)])
  for (const { streamSeq } of [first, second]) expect(streamSeq).toBeLessThanOrEqual((await store.stream.head()).seq)
  expect(await running(store)).toBe(0)
  expect(await store.targets.unfinished()).toEqual([])
})

test('what a run left is ended by the next, and the owner’s grants are its to end meanwhile', async () => {
  const { store, log, clock } = await prepared()
  expect((await store.owners.remove('team-a', { endAll: true, dryRun: false }, by)).more).toBe(true)
  await using ends = await TargetEnds.start({ store, clock, log, time: new GrantTime(clock, nowMs) })
  expect(ends.isEnding('team-a')).toBe(true)
  await expect.poll(() => log.facts.map(({ event }) => event)).toContain('target.end_finished')
  expect(ends.isEnding('team-a')).toBe(false)
  expect(await running(store)).toBe(0)
})

test('a piece that cannot be written fails the call, and is tried again until it is done', async () => {
  const { store, ends, log, clock } = await prepared({ step: 'commit', nth: 2, times: 1, action: 'disk full' })
  await expect(ends.revoke(target, options, by)).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
  await expect.poll(async () => {
    await clock.advance(1_000)
    return log.facts.map(({ event }) => event)
  }).toContain('target.end_finished')
  expect(await running(store)).toBe(0)
})

async function prepared(faults?: Parameters<typeof workerWith>[0]): Promise<{ readonly store: Store; readonly ends: TargetEnds; readonly log: KeptLog; readonly clock: FakeClock }> {
  const folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  await copyFile(join(template.path, 'mayfly.db'), path)
  const store = await openAt(path, faults === undefined ? {} : { workerUrl: workerWith(faults) })
  const [clock, log] = [new FakeClock(nowMs), new KeptLog()]
  const ends = await TargetEnds.start({ store, clock, log, time: new GrantTime(clock, nowMs) })
  onTestFinished(async () => {
    await ends[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })
  return { store, ends, log, clock }
}

async function running(store: Store): Promise<number> {
  return await store.grants.count({ states: ['active', 'suspended', 'approved'] })
}
