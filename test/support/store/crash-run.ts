import { writeSync } from 'node:fs'
import type { Store } from '../../../server/store/port.ts'
import type { Faults } from './faults.ts'
import { workerWith } from './faults.ts'
import { openAt } from './open.ts'
import { agentId, attest, authority, by, id, nowMs, request, sha256, spec } from './samples.ts'

/** What a crashing process says on its standard output before it does the next thing: each was acknowledged by the store. */
export type Acknowledged =
  | { readonly kind: 'entry'; readonly id: string }
  | { readonly kind: 'serial'; readonly serial: string }
  | { readonly kind: 'revoked'; readonly serial: string; readonly seq: number }
  | { readonly kind: 'token'; readonly agent: string; readonly token: string }
  | { readonly kind: 'done' }

// run as a program: node crash-run.ts <file> <run> <faults as JSON>
const [, main, path = '', run = '0', faults = ''] = process.argv
if (main === import.meta.filename) await work(path, Number(run), JSON.parse(faults) as Faults) // the test wrote it

/** Uses the store from several sides at once until a fault takes the process down, or says `done`. */
async function work(file: string, round: number, planned: Faults): Promise<void> {
  const store = await openAt(file, { workerUrl: workerWith(planned) })
  await store.credentials.abandonUnreleased(nowMs)
  if ((await store.authorities.all()).length === 0) await store.authorities.prepare(authority('authority'), by)
  if ((await store.agents.byId(agentId)) === undefined) await attest(store, agentId, `token of run ${round}`)
  await Promise.all([0, 1, 2].map((lane) => useLane(store, round * 1_000 + lane * 100)))
  say({ kind: 'done' })
  process.exit(0)
}

async function useLane(store: Store, first: number): Promise<void> {
  for (let n = first; n < first + 5; n++) {
    const [created] = await store.entries.create([spec(n)], by)
    if (created?.ok === true) say({ kind: 'entry', id: created.value.id })
    const token = `token ${n}`
    const agent = id(`/spire/agent/join_token/${n}`)
    await store.agents.createJoinToken({ tokenHash: sha256(token), agentId: agent, expiresAtMs: nowMs + 1_000 }, by)
    await store.agents.redeemJoinToken(sha256(token), nowMs)
    say({ kind: 'token', agent, token })
    const results = await store.credentials.reserve([request(n, { key: `a ${n}` }), request(n, { key: `b ${n}`, agentId })], nowMs)
    const serials = results.flatMap((result) => (result.ok ? [result.serial] : []))
    for (const serial of serials) say({ kind: 'serial', serial: Buffer.from(serial).toString('hex') })
    await store.credentials.release(serials, nowMs)
    const serial = Buffer.from(serials[0] ?? []).toString('hex')
    const { streamSeq } = await store.targets.revoke({ kind: 'serial', serial }, { rotate: false, dryRun: false, reason: '' }, by)
    say({ kind: 'revoked', serial, seq: streamSeq })
  }
}

function say(what: Acknowledged): void {
  writeSync(1, `${JSON.stringify(what)}\n`)
}
