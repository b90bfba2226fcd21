import { execFileSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Store } from '../../../server/store/port.ts'
import type { CommitStep } from '../../../server/store/sqlite/engine.ts'
import { minuteOf } from '../../../src/core/serial.ts'
import { workerWith, type Faults } from '../../support/store/faults.ts'
import { openAt, temporaryFolder } from '../../support/store/open.ts'
import { by, issue, nowMs, prepareToIssue, request, spec } from '../../support/store/samples.ts'

const cases = (['begin', 'append', 'apply', 'commit'] as const satisfies CommitStep[]).flatMap((step) =>
  (['disk full', 'write error'] as const satisfies Faults['action'][]).map((action) => [action, step] as const),
)

test.for(cases)('after a %s at %s nothing of the change is there, and the next one works', async ([action, step]) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  await seed(path)
  await using store = await openAt(path, { workerUrl: workerWith({ step, action }) })
  const before = await state(store)
  let commits = 0
  using _listening = store.journal.onCommit(() => {
    commits += 1
  })
  await expect(store.credentials.reserve([request(1), request(2)], nowMs)).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
  expect(commits).toBe(0)
  expect(await state(store)).toEqual(before)
  const [result] = await store.credentials.reserve([request(1)], nowMs)
  expect(result).toMatchObject({ ok: true })
  expect(result?.ok === true ? [...result.serial.subarray(1, 9)] : []).toEqual([...Buffer.from(minuteOf(nowMs + 900_000).toString(16).padStart(8, '0'), 'hex'), 0, 0, 0, 1])
  await store.journal.verify()
})

test('a commit that fails fails every change in it', async () => {
  await using store = await openAt(':memory:', { workerUrl: workerWith({ step: 'commit', action: 'write error', nth: 2, times: 1 }) })
  const outcomes = await Promise.allSettled([1, 2, 3].map((n) => store.entries.create([spec(n)], by)))
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected').length
  expect(failed).toBeGreaterThan(0)
  expect(await store.entries.count({})).toBe(3 - failed)
  await store.journal.verify()
})

test('while every write fails reads go on, and it recovers by itself', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  await seed(path)
  await using store = await openAt(path, { workerUrl: workerWith({ step: 'commit', action: 'disk full', times: 5 }) })
  for (let attempt = 0; attempt < 5; attempt++) {
    await expect(store.entries.create([spec(10)], by)).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
    expect(await store.entries.count({})).toBe(3)
  }
  expect(await store.entries.create([spec(10)], by)).toMatchObject([{ ok: true }])
})

const isRoot = process.getuid?.() === 0

test.skipIf(!isRoot)(`a full disk refuses changes and damages nothing; with space it goes on${isRoot ? '' : ' (skipped: mounting a tmpfs needs root)'}`, async () => {
  await using folder = await temporaryFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder.path])
  try {
    const path = join(folder.path, 'mayfly.db')
    const ballast = join(folder.path, 'ballast')
    await seed(path)
    await writeFile(ballast, Buffer.alloc(1_000_000))
    await using store = await openAt(path)
    const made = new Set<string>()
    const refused: unknown[] = []
    for (let n = 100; n < 40_000 && refused.length < 3; n += 20) {
      try {
        for (const result of await store.entries.create(Array.from({ length: 20 }, (_, k) => spec(n + k)), by)) if (result.ok) made.add(result.value.id)
      } catch (error) {
        refused.push(error)
      }
    }
    expect(refused).toMatchObject([{ code: 'STORE_UNWRITABLE', hint: 'database or disk is full: is the disk full or read-only?' }, { code: 'STORE_UNWRITABLE' }, { code: 'STORE_UNWRITABLE' }])
    expect(await store.entries.count({})).toBe(made.size + 3)
    await expect(store.credentials.reserve(Array.from({ length: 200 }, (_, k) => request(3, { key: `k${k}` })), nowMs)).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
    await rm(ballast)
    expect(await store.credentials.reserve([request(3)], nowMs)).toMatchObject([{ ok: true }])
    expect(await store.entries.count({})).toBe(made.size + 3)
    await store.journal.verify()
  } finally {
    execFileSync('umount', [folder.path])
  }
})

async function seed(path: string): Promise<void> {
  await using store = await openAt(path)
  await prepareToIssue(store)
  await store.entries.create([spec(1), spec(2), spec(3)], by)
  await issue(store, request(3, { key: 'first' }))
}

async function state(store: Store): Promise<unknown> {
  return {
    journal: await store.journal.head(),
    stream: await store.stream.load(0),
    entries: await store.entries.list({}, { size: 100 }),
    credentials: await store.credentials.list({}, { size: 100 }),
  }
}
