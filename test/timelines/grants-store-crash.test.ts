import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { hasEnded } from '../../src/core/grant/grant.ts'
import { decodeSerial } from '../../src/core/serial.ts'
import { grantPrefixesOf } from '../../src/core/task.ts'
import type { Store } from '../../server/store/port.ts'
import type { CommitStep } from '../../server/store/sqlite/engine.ts'
import type { Faults } from '../support/store/faults.ts'
import { prepareForCrash, type AcknowledgedGrant } from '../support/store/grants-crash-run.ts'
import { openAt, temporaryFolder } from '../support/store/open.ts'
import { by, nowMs, sha256 } from '../support/store/samples.ts'

const program = join(import.meta.dirname, '../support/store/grants-crash-run.ts')
const steps: readonly CommitStep[] = ['begin', 'append', 'apply', 'commit', 'committed', 'answered']

test.for(steps.map((step) => [step] as const))('invariants 1, 2, 5 and 16: killed at "%s", over and over, no grant comes back, no credential is unknown, what ended is in the set, and no step, approval or exception is lost', async ([step]) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  await prepareForCrash(path)
  const acknowledged: AcknowledgedGrant[] = []
  for (const [run, nth] of [2, 13, 26].entries()) {
    const said = await crash(path, run, { step, nth, times: 1, action: 'kill' })
    expect(said).not.toContainEqual({ kind: 'done' })
    acknowledged.push(...said)
    await using store = await openAt(path)
    await check(store, acknowledged)
  }
  expect(acknowledged.length).toBeGreaterThan(0)
})

/** Runs the program until it kills itself. Returns what it acknowledged. */
async function crash(path: string, run: number, faults: Faults): Promise<AcknowledgedGrant[]> {
  const child = spawn(process.execPath, [program, path, String(run), JSON.stringify(faults)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(signal).toBe('SIGKILL')
  return output.split('\n').slice(0, -1).map((line) => JSON.parse(line) as AcknowledgedGrant) // the program wrote them
}

async function check(store: Store, acknowledged: readonly AcknowledgedGrant[]): Promise<void> {
  const set = await store.stream.load(0)
  for (const what of acknowledged) {
    switch (what.kind) {
      case 'requested':
        expect(await store.grants.byId(what.id)).toBeDefined()
        break
      case 'issued':
        expect(await store.credentials.bySerial(what.serial)).toMatchObject({ kind: 'grant' })
        expect((await store.grants.byId(what.id))?.activatedAtMs).toBe(nowMs)
        break
      case 'leased':
        expect((await store.grants.byId(what.id))?.used.steps).toBeGreaterThanOrEqual(what.steps)
        break
      case 'stepped':
        expect((await store.grants.steps(what.id, { size: 10 })).items).toMatchObject([{ action: 'write', allowed: true }])
        break
      case 'approved':
        expect(await store.grants.byId(what.id)).toMatchObject({ state: 'approved', approvals: [{ approver: 'alice', withdrawn: false }] })
        break
      case 'excepted': {
        expect((await store.exceptions.all()).map(({ id }) => id)).toContain(what.id)
        const again = { approver: 'bob', signedHash: sha256(what.signature), signature: what.signature }
        await expect(store.people.spendSignature(again, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' }) // once, also over a crash
        break
      }
      case 'ended':
        expect(set.seq).toBeGreaterThanOrEqual(what.seq)
        for (const id of what.ids) expect(await store.grants.byId(id)).toMatchObject({ state: 'ending' })
        break
      case 'done':
        break
      default:
        what satisfies never
    }
  }
  const { items } = await store.grants.list({}, { size: 10_000 })
  for (const grant of items) {
    const credentials = (await store.credentials.list({ grantId: grant.id }, { size: 100 })).items
    expect(credentials.filter(({ state }) => state === 'reserved' || state === 'released').length).toBeLessThanOrEqual(hasEnded(grant.state) ? 0 : 1)
    if (!hasEnded(grant.state)) continue
    for (const { serial } of credentials) {
      const place = decodeSerial(Buffer.from(serial, 'hex'))
      const isRevoked = set.buckets.some(({ minute, revoked }) => minute === place?.minute && revoked.includes(place.index))
      expect(isRevoked || grantPrefixesOf(grant.spiffeId).some((prefix) => set.prefixes.some((closed) => closed.prefix === prefix))).toBe(true)
    }
  }
  await store.journal.verify()
}
