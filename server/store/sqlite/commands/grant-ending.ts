import { hasEnded, type Grant } from '../../../../src/core/grant/grant.ts'
import { isExpected } from '../../../../src/core/grant/intent.ts'
import type { GrantMove } from '../../../../src/core/grant/machine.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { SpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { GrantEnding } from '../../grant-model.ts'
import type { Actor, EndCause } from '../../port.ts'
import type { Command } from '../operations.ts'
import type { LedgerCondition, LedgerHit } from '../tables/ledger.ts'
import type { GrantCondition } from '../tables/grants.ts'
import type { Tables } from '../tables/tables.ts'
import { decision, describe, endRecords, identityRecords, idsOf, revocable, toHex } from './ending.ts'
import { findGrant, move } from './grant-checks.ts'
import { closePrefixes } from './prefixes.ts'
import { grantCondition, notEnded } from '../queries/grant-filters.ts'

/** Most grants that one call ends or lapses: a commit is not held up for long. */
const maxAtOnce = 1_000
const maxDetailLength = 2_000
/** A credential that expired so lately is revoked all the same: at a deadline it expires with its grant, and connections are open. */
export const justExpiredMs = 60_000

export const endGrant: Command<'grants.end'> = (tables, id, ending, by) => {
  const grant = findGrant(tables, id)
  const { ended, hits, records } = endTrees(tables, [grant], ending, by)
  const result = (): { readonly grant: Grant } => ({ grant: findGrant(tables, id) })
  return { records, result: () => ({ ...result(), ended, hits: describe(hits), streamSeq: tables.stream.head().seq }) }
}

export const endGrantsWhere: Command<'grants.endWhere'> = (tables, filter, ending, limit, by) => {
  const { found, more } = someOf(tables, grantCondition(filter, notEnded), limit)
  const { ended, hits, records } = endTrees(tables, found, ending, by)
  return { records, result: () => ({ ended, hits: describe(hits), streamSeq: tables.stream.head().seq, more }) }
}

export const lapseDue: Command<'grants.lapseDue'> = (tables, limit, by) => {
  const waiting = { sql: "state IN ('requested', 'pending_approval', 'approved') AND lapses_at_ms <= ?", values: [by.atMs] }
  const { found } = someOf(tables, waiting, limit)
  const records = found.flatMap((grant) => move(grant, { kind: 'lapsed', detail: 'nobody came in time' }, by).records)
  return decision(records, found.map(({ id }) => id))
}

export const finishGrants: Command<'grants.finish'> = (tables, ids, by) => {
  const ending = [...new Set(ids)].flatMap((id) => tables.grants.byId(id) ?? []).filter((grant) => grant.state === 'ending')
  return decision(ending.flatMap((grant) => move(grant, { kind: 'ended' }, by).records), ending.length)
}

/** The first of these by their IDs, parents before their children, and whether there are more. */
export function someOf(tables: Tables, condition: GrantCondition, limit: number): { readonly found: readonly Grant[]; readonly more: boolean } {
  if (!Number.isInteger(limit) || limit < 1 || limit > maxAtOnce) throw new MayflyError('INVALID_ARGUMENT', `at most ${maxAtOnce} grants end at once`)
  const found = tables.grants.list(condition, limit + 1)
  return { found: found.slice(0, limit).toSorted((left, right) => left.depth - right.depth), more: found.length > limit }
}

export interface TreeEnd {
  /** IDs of what ends now, parents before their children. */
  readonly ended: readonly string[]
  /** What they hold, each once. */
  readonly hits: readonly LedgerHit[]
  readonly records: readonly JournalRecord[]
}

/**
 * Ends these grants and all below them, for commands that decide so: the records that move them and revoke what they hold, a tree by its prefix and one alone by a bit. What has ended
 * is passed over. Call it once in a transaction. @param given parents before their children @param credentialCause in the ledger, when it is another than follows from the cause
 */
export function endTrees(tables: Tables, given: Iterable<Grant>, ending: GrantEnding, by: Actor, credentialCause: EndCause = causeOfCredentials(ending)): TreeEnd {
  const detail = ending.detail.slice(0, maxDetailLength)
  const ended = new Set<string>()
  const records: JournalRecord[] = []
  const trees: SpiffeId[] = []
  const alone: LedgerHit[] = []
  for (const grant of given) {
    if (hasEnded(grant.state) || ended.has(grant.id)) continue
    // one that never gave anything away has no children
    const below = grant.used.children === 0 ? [] : tables.grants.below(grant).filter((child) => !hasEnded(child.state) && !ended.has(child.id))
    records.push(...endingRecords(grant, { ...ending, detail }, by))
    for (const child of below) records.push(...endingRecords(child, { cause: 'parent_ended', detail: `${grant.id} ended: ${ending.cause}` }, by))
    for (const one of [grant, ...below]) ended.add(one.id)
    if (below.length > 0) trees.push(grant.spiffeId)
    else if (grant.activatedAtMs > 0) alone.push(...tables.ledger.hits(revocable(ofGrant(grant.id), by.atMs - justExpiredMs)))
  }
  const reason = credentialCause === 'grant_ended' && detail !== '' ? `${ending.cause}: ${detail}` : detail === '' ? ending.cause : detail
  const closed = closePrefixes(tables, trees.map((prefix) => ({ prefix, untilMs: by.atMs })), { cause: credentialCause, reason, expiredMs: justExpiredMs }, by)
  return { ended: [...ended], hits: [...alone, ...closed.hits], records: [...records, ...identityRecords(tables, idsOf([...alone, ...closed.byBits]), by, justExpiredMs), ...endRecords(alone, 'revoked', credentialCause, reason, by), ...closed.records] }
}

/** Those of the hits that no tree has. */
export function besides(hits: readonly LedgerHit[], tree: TreeEnd): LedgerHit[] {
  const seen = new Set(tree.hits.map(({ serial }) => toHex(serial)))
  return hits.filter(({ serial }) => !seen.has(toHex(serial)))
}

/** Credentials of one grant. */
export function ofGrant(id: string): LedgerCondition {
  return { sql: 'grant_id = ?', values: [id] }
}

/** The records that end one grant, whatever it holds: a request that was not approved yet lapses. */
export function endingRecords(grant: Grant, { cause, detail, outcome }: GrantEnding, by: Actor): JournalRecord[] {
  if (grant.state === 'requested' || grant.state === 'pending_approval') return [...move(grant, { kind: 'lapsed', cause, detail }, by).records]
  const reported = outcome === undefined ? {} : { outcome: outcome.slice(0, maxDetailLength), outcomeAsExpected: isExpected(grant.intent, outcome) }
  const next: GrantMove = { kind: 'ending', cause, detail, ...reported }
  const ending = move(grant, next, by)
  // what was never active left nothing to clean up
  return grant.activatedAtMs > 0 ? [...ending.records] : [...ending.records, ...move(ending.grant, { kind: 'ended' }, by).records]
}

/** An operator means the keys too, and so does a leak; else the keys merely end with the task. */
function causeOfCredentials({ cause }: GrantEnding): EndCause {
  if (cause === 'leak' || cause === 'operator') return cause
  return cause === 'owner_removed' ? 'owner_removed' : 'grant_ended'
}
