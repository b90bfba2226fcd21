import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import type { Store } from '../../server/store/port.ts'
import type { CommitStep } from '../../server/store/sqlite/engine.ts'
import { decodeSerial } from '../../src/core/serial.ts'
import type { Acknowledged } from '../support/store/crash-run.ts'
import type { Faults } from '../support/store/faults.ts'
import { openAt, temporaryFolder } from '../support/store/open.ts'
import { nowMs, sha256 } from '../support/store/samples.ts'

const program = join(import.meta.dirname, '../support/store/crash-run.ts')
const steps: readonly CommitStep[] = ['begin', 'append', 'apply', 'commit', 'committed', 'answered']

test.for(steps.map((step) => [step] as const))('killed at "%s", over and over, it loses nothing acknowledged and reuses nothing', async ([step]) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const acknowledged: Acknowledged[] = []
  for (const [run, nth] of [1, 4, 15, 26].entries()) {
    const said = await crash(path, run, { step, nth, times: 1, action: 'kill' })
    expect(said).not.toContainEqual({ kind: 'done' })
    acknowledged.push(...said)
    await using store = await openAt(path)
    await check(store, acknowledged)
  }
})

test('killed from outside while it writes, it loses nothing acknowledged and reuses nothing', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const acknowledged: Acknowledged[] = []
  for (let run = 0; run < 4; run++) {
    acknowledged.push(...(await crash(path, run, { step: 'begin', nth: Number.MAX_SAFE_INTEGER, times: 1, action: 'kill' }, 3 + run * 7)))
    await using store = await openAt(path)
    await check(store, acknowledged)
  }
})

/** Runs the program until it is killed, by itself or after it has acknowledged `linesBeforeKill` things. Returns what it acknowledged. */
async function crash(path: string, run: number, faults: Faults, linesBeforeKill = Number.POSITIVE_INFINITY): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [program, path, String(run), JSON.stringify(faults)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let lines = 0
  child.stdout.on('data', (chunk: Buffer) => {
    lines += chunk.toString('utf8').split('\n').length - 1
    if (lines >= linesBeforeKill) child.kill('SIGKILL')
  })
  const [output, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(signal).toBe('SIGKILL')
  return output.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Acknowledged) // the program wrote them
}

async function check(store: Store, acknowledged: readonly Acknowledged[]): Promise<void> {
  for (const what of acknowledged) {
    switch (what.kind) {
      case 'entry':
        expect(await store.entries.byId(what.id)).toBeDefined()
        break
      case 'serial':
        expect(await store.credentials.bySerial(what.serial)).toBeDefined()
        break
      case 'revoked':
        expect(await store.credentials.bySerial(what.serial)).toMatchObject({ state: 'revoked' })
        expect((await store.stream.head()).seq).toBeGreaterThanOrEqual(what.seq)
        break
      case 'token':
        await expect(store.agents.redeemJoinToken(sha256(what.token), nowMs)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
        break
      case 'done':
        break
      default:
        what satisfies never
    }
  }
  const serials = acknowledged.flatMap((what) => (what.kind === 'serial' ? [what.serial] : []))
  expect(new Set(serials.map((serial) => serial.slice(0, 18))).size).toBe(serials.length)
  const { items } = await store.credentials.list({}, { size: 10_000 })
  const places = items.map(({ serial }) => decodeSerial(Buffer.from(serial, 'hex'))?.index ?? -1)
  expect(places.toSorted((a, b) => a - b)).toEqual(places.map((_, index) => index))
  await store.journal.verify()
}
