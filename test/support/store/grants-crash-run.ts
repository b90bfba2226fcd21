import { writeSync } from 'node:fs'
import type { Store } from '../../../server/store/port.ts'
import { workerWith, type Faults } from './faults.ts'
import { activation, approval, decided, grantId, prepareForGrants, renewal, requested, wish } from './grants.ts'
import { openAt } from './open.ts'
import { by, nowMs, sha256 } from './samples.ts'

/** What the store has acknowledged, a line each. */
export type AcknowledgedGrant =
  | { readonly kind: 'requested'; readonly id: string }
  | { readonly kind: 'issued'; readonly id: string; readonly serial: string }
  | { readonly kind: 'leased'; readonly id: string; readonly steps: number }
  | { readonly kind: 'stepped'; readonly id: string }
  | { readonly kind: 'approved'; readonly id: string }
  | { readonly kind: 'excepted'; readonly id: string; readonly signature: string }
  | { readonly kind: 'ended'; readonly ids: readonly string[]; readonly seq: number }
  | { readonly kind: 'done' }

// run as a program: node grants-crash-run.ts <file> <run> <faults as JSON>
const [, main, path = '', run = '0', faults = ''] = process.argv
if (main === import.meta.filename) await work(path, Number(run), JSON.parse(faults) as Faults) // the test wrote it

/** Takes grants through their lives, in a store that {@link prepareForCrash} made, from several sides at once until a fault takes the process down, or says `done`. */
async function work(file: string, round: number, planned: Faults): Promise<void> {
  const store = await openAt(file, { workerUrl: workerWith(planned) })
  await store.credentials.abandonUnreleased(nowMs)
  await Promise.all([0, 1, 2].map((lane) => useLane(store, round * 1_000 + lane * 100)))
  say({ kind: 'done' })
  process.exit(0)
}

/** A store that the program can work on. */
export async function prepareForCrash(file: string): Promise<void> {
  await using store = await openAt(file)
  await prepareForGrants(store)
}

async function useLane(store: Store, first: number): Promise<void> {
  const given = await store.roles.byName('writer')
  if (given === undefined) return
  for (let n = first; n < first + 9; n += 3) {
    const root = await issued(store, await store.grants.request(requested(given, undefined, wish(n)), by, decided('approved')), `key ${n}`)
    const child = await issued(store, await store.grants.request(requested(given, root, wish(n + 1)), by, decided('approved')), `key ${n + 1}`)
    const now = await store.grants.byId(root.id)
    const renewed = await store.grants.renew(root.id, renewal(now ?? root, `key ${n} again`), by)
    say({ kind: 'issued', id: root.id, serial: Buffer.from(renewed.serial).toString('hex') })
    const { steps } = await store.grants.lease(root.id, 5, by)
    say({ kind: 'leased', id: root.id, steps })
    await store.grants.recordSteps([{ grantId: root.id, action: 'write', resource: 'db:orders', description: 'a row', allowed: true, reasons: ['permit'], atMs: nowMs, policyHash: '' }], by)
    say({ kind: 'stepped', id: root.id })
    const { ended, streamSeq } = await store.grants.end(n % 2 === 0 ? root.id : child.id, { cause: 'completed', detail: '' }, by)
    say({ kind: 'ended', ids: ended, seq: streamSeq })
    const waiting = await store.grants.request(requested(given, undefined, wish(n + 2)), by, decided('pending', 1))
    say({ kind: 'requested', id: grantId(n + 2) })
    await store.grants.move(waiting.id, waiting.version, { kind: 'approved', approval: approval(waiting, 'alice'), requestHash: waiting.requestHash }, by)
    say({ kind: 'approved', id: waiting.id })
    const exception = { id: `exception-${n}`, control: 'reason-given', scope: 'role:writer', owner: 'team-b', reason: 'why', approver: 'bob', reviewAtMs: nowMs + 60_000, value: 0 }
    const signature = `signature ${n}`
    await store.exceptions.put(exception, { signedHash: sha256(signature), signature }, by)
    say({ kind: 'excepted', id: exception.id, signature })
  }
}

async function issued(store: Store, grant: Awaited<ReturnType<Store['grants']['request']>>, key: string): Promise<typeof grant> {
  say({ kind: 'requested', id: grant.id })
  const result = await store.grants.activate(grant.id, activation(grant, key), by)
  say({ kind: 'issued', id: grant.id, serial: Buffer.from(result.serial).toString('hex') })
  await store.credentials.release([result.serial], nowMs)
  return result.grant
}

function say(what: AcknowledgedGrant): void {
  writeSync(1, `${JSON.stringify(what)}\n`)
}
