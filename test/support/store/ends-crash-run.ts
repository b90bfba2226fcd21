import { writeSync } from 'node:fs'
import { GrantTime } from '../../../server/grants/grant-time.ts'
import { TargetEnds } from '../../../server/grants/target-ends.ts'
import type { Store, Target } from '../../../server/store/port.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { FakeClock } from '../fake-clock.ts'
import { KeptLog } from '../agent/quiet.ts'
import { workerWith, type Faults } from './faults.ts'
import { activeGrant, prepareForGrants } from './grants.ts'
import { openAt } from './open.ts'
import { by, nowMs } from './samples.ts'

/** What is ended, and how much there is of it: more than two transactions hold. */
export const target: Target = { kind: 'owner', owner: 'team-a' }
export const count = 260

// run as a program: node ends-crash-run.ts <file> <faults as JSON>
const [, main, path = '', faults = ''] = process.argv
if (main === import.meta.filename) await work(path, JSON.parse(faults) as Faults) // the test wrote it

/** A store with grants that are to end. */
export async function prepareForEnds(file: string): Promise<void> {
  await using store = await openAt(file)
  await prepareForGrants(store)
  await Promise.all(Array.from({ length: count }, async (_, n) => await activeGrant(store, n)))
}

/** Revokes it, or goes on with what an earlier run left; says `begun` and, once all has ended, `done`. */
async function work(file: string, planned: Faults): Promise<void> {
  const store: Store = await openAt(file, { workerUrl: workerWith(planned) })
  const clock = new FakeClock(nowMs)
  const ends = await TargetEnds.start({ store, clock, time: new GrantTime(clock, nowMs), log: new KeptLog() })
  writeSync(1, 'begun\n')
  while (!(await revoked(store, ends)));
  writeSync(1, 'done\n')
  process.exit(0)
}

/** As an operator does; not when what an earlier run left ended between the question and the order. */
async function revoked(store: Store, ends: TargetEnds): Promise<boolean> {
  const { hits } = await store.targets.revoke(target, { rotate: false, dryRun: true, reason: '' }, by)
  try {
    await ends.revoke(target, { rotate: false, dryRun: false, reason: 'incident 7', expect: hits.credentials }, by)
    return true
  } catch (error) {
    if (error instanceof MayflyError && error.code === 'EXPECTATION_FAILED') return false
    throw error
  }
}
