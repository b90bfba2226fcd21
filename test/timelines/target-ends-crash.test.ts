import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { decodeSerial } from '../../src/core/serial.ts'
import type { Store } from '../../server/store/port.ts'
import type { CommitStep } from '../../server/store/sqlite/engine.ts'
import { count, prepareForEnds } from '../support/store/ends-crash-run.ts'
import type { Faults } from '../support/store/faults.ts'
import { openAt, temporaryFolder } from '../support/store/open.ts'
import { nowMs } from '../support/store/samples.ts'

const program = join(import.meta.dirname, '../support/store/ends-crash-run.ts')
const steps: readonly CommitStep[] = ['begin', 'commit', 'committed', 'answered']
/** Of the commits that one run makes: the first piece, those between, and the last. */
const pieces = [1, 2, 3]

test('an owner with hundreds of grants is revoked: killed between any two pieces nobody is told that it is done, and asked again nothing is left', async () => {
  await using folder = await temporaryFolder()
  const prepared = join(folder.path, 'prepared.db')
  await prepareForEnds(prepared)
  for (const step of steps) {
    const path = join(folder.path, `${step}.db`)
    await copyFile(prepared, path)
    let killed = 0
    for (const nth of pieces) if ((await run(path, { step, nth, times: 1, action: 'kill' })) === 'begun') killed++
    expect(killed).toBeGreaterThan(0)
    await check(path, undefined)
    expect(await run(path, { step, nth: 1_000, times: 1, action: 'kill' })).toBe('done')
    await check(path, 0)
  }
})

/** The last that the program said. */
async function run(path: string, faults: Faults): Promise<string | undefined> {
  const child = spawn(process.execPath, [program, path, JSON.stringify(faults)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const said = output.trim().split('\n').at(-1)
  expect(said === 'done' ? code : signal).toBe(said === 'done' ? 0 : 'SIGKILL')
  return said
}

/** What has ended is revoked, and nothing is half done; @param live how many there still are, when that is known */
async function check(path: string, live: number | undefined): Promise<void> {
  await using store = await openAt(path)
  const running = await store.grants.count({ states: ['active'] })
  if (live !== undefined) expect(running).toBe(live)
  expect(await store.grants.count({ states: ['ending'] })).toBe(count - running)
  expect(await store.credentials.count({ owner: 'team-a', liveAtMs: nowMs })).toBe(running)
  expect(await revoked(store)).toBe(count - running)
  if (running === 0) expect(await store.targets.unfinished()).toEqual([])
  expect((await store.targets.disabled()).length).toBe(running === count ? 0 : 1)
  await store.journal.verify()
}

async function revoked(store: Store): Promise<number> {
  const { buckets } = await store.stream.load(0)
  const { items } = await store.credentials.list({ owner: 'team-a' }, { size: 10_000 })
  return items.filter(({ serial }) => {
    const place = decodeSerial(Buffer.from(serial, 'hex'))
    return buckets.some(({ minute, revoked: positions }) => minute === place?.minute && positions.includes(place.index))
  }).length
}
