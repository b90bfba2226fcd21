import type { Grant } from '../../../../src/core/grant/grant.ts'
import { taskOf } from '../../../../src/core/task.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { GrantEnding } from '../../grant-model.ts'
import type { Actor, LastingTarget, Target, UnfinishedEnd } from '../../port.ts'
import type { Command } from '../operations.ts'
import { grantCondition, notEnded } from '../queries/grant-filters.ts'
import type { GrantCondition } from '../tables/grants.ts'
import { ofKeyOf, ofSpiffeId, type LedgerCondition, type LedgerHit } from '../tables/ledger.ts'
import type { Tables } from '../tables/tables.ts'
import { describe, endRecords, identityRecords, idsOf, ofAgent, ofEntry, revisedRecords, revocable, toHex } from './ending.ts'
import { besides, endTrees, justExpiredMs } from './grant-ending.ts'

/** Grants that end in one transaction, counted with the children they may have: some 15 ms. */
const grantsAtOnce = 100
/** Other credentials, likewise. */
const credentialsAtOnce = 500

/** What to end, and why. */
export type EndOf = Pick<UnfinishedEnd, 'target' | 'cause' | 'reason'>

/** What one transaction does of the end of a target. */
export interface EndPiece {
  /** Of the whole end when it begins: what this piece does not do, those that follow do. */
  readonly hits: readonly LedgerHit[]
  /** IDs of grants, of this piece. */
  readonly ended: readonly string[]
  readonly records: readonly JournalRecord[]
  readonly more: boolean
}

/** Ends the first piece, and notes it down when there are more. The caller sees to it that nothing is issued for the target from this transaction on. */
export function beginEnd(tables: Tables, end: EndOf, by: Actor): EndPiece {
  const piece = nextPiece(tables, end, by)
  const isUnfinished = tables.targets.unfinishedOf(end.target) !== undefined
  if (!piece.more) return isUnfinished ? { ...piece, records: [...piece.records, finished(end.target, by)] } : piece
  const noted: JournalRecord[] = isUnfinished ? [] : [{ kind: 'target.ending', ...end, by: by.name, atMs: by.atMs }]
  return { ...piece, hits: everyHit(tables, end.target, by.atMs), records: [...noted, ...piece.records] }
}

export const continueEnd: Command<'targets.continueEnd'> = (tables, target, atMs) => {
  const end = tables.targets.unfinishedOf(target)
  const by = { name: end?.by ?? '', atMs }
  const piece = end === undefined ? { hits: [], records: [], more: false } : nextPiece(tables, end, by)
  const records = end === undefined || piece.more ? piece.records : [...piece.records, finished(target, by)]
  return { records, result: () => ({ hits: describe(piece.hits), streamSeq: tables.stream.head().seq, more: piece.more }) }
}

/** Grants first, those at the root of a tree before others; then what else was obtained. */
function nextPiece(tables: Tables, { target, cause, reason }: EndOf, by: Actor): EndPiece {
  const condition = grantsOf(target)
  const { found, more } = condition === undefined ? { found: [], more: false } : someTrees(tables, condition)
  const tree = endTrees(tables, found, endingOf(target, cause, reason), by, cause)
  const some = more ? [] : besides(tables.ledger.hits(revocable(credentialsOf(target), by.atMs), credentialsAtOnce + tree.hits.length + 1), tree)
  const others = some.slice(0, credentialsAtOnce)
  return {
    hits: [...tree.hits, ...others],
    ended: tree.ended,
    records: [...tree.records, ...identityRecords(tables, idsOf(others), by), ...endRecords(others, 'revoked', cause, reason, by), ...revisedRecords(tables, others, by)],
    more: more || some.length > others.length,
  }
}

/** Credentials under a target. A serial stands for its key too: what else was issued to that key ends with it (design 6). */
export function credentialsOf(target: Target): LedgerCondition {
  switch (target.kind) {
    case 'serial':
      return ofKeyOf(Buffer.from(target.serial, 'hex'))
    case 'id':
      return ofSpiffeId(target.id)
    case 'entry':
      return ofEntry(target.entryId)
    case 'agent':
      return ofAgent(target.id)
    case 'owner':
      return { sql: "owner = ? AND owner <> ''", values: [target.owner] }
    default:
      return target satisfies never
  }
}

/** Grants that end with the target; none with an entry. */
function grantsOf(target: LastingTarget): GrantCondition | undefined {
  switch (target.kind) {
    case 'id':
      return taskOf(target.id) === undefined ? grantCondition({ workload: target.id }, notEnded) : { sql: `spiffe_id = ? AND ${notEnded}`, values: [target.id] }
    case 'agent':
      return grantCondition({ agentId: target.id }, notEnded)
    case 'owner':
      return grantCondition({ owner: target.owner }, notEnded)
    case 'entry':
      return undefined
    default:
      return target satisfies never
  }
}

function endingOf(target: LastingTarget, cause: UnfinishedEnd['cause'], reason: string): GrantEnding {
  switch (cause) {
    case 'operator':
      return { cause: 'operator', detail: reason }
    case 'agent_banned':
      return { cause: 'operator', detail: 'its agent was banned' }
    case 'agent_evicted':
      return { cause: 'operator', detail: 'its agent was evicted' }
    case 'owner_removed':
      return { cause: 'owner_removed', detail: `the owner ${target.kind === 'owner' ? target.owner : ''} was removed` }
    default:
      return cause satisfies never
  }
}

/** As many trees as fit, parents before their children, and whether there is more. */
function someTrees(tables: Tables, { sql, values }: GrantCondition): { readonly found: readonly Grant[]; readonly more: boolean } {
  const roots = tables.grants.list({ sql: `${sql} AND parent_id = ''`, values }, grantsAtOnce + 1)
  const room = grantsAtOnce + 1 - roots.length
  const below = room > 0 ? tables.grants.list({ sql: `${sql} AND parent_id <> ''`, values }, room).toSorted((left, right) => left.depth - right.depth) : []
  const found: Grant[] = []
  let weight = 0
  for (const grant of [...roots, ...below]) {
    weight += 1 + (grant.depth === 0 ? grant.used.children : 0)
    if (weight > grantsAtOnce && found.length > 0) return { found, more: true }
    found.push(grant)
  }
  return { found, more: false }
}

/** All that the whole end hits, without deciding it: for the answer, and for who must say the number beforehand. */
function everyHit(tables: Tables, target: LastingTarget, atMs: number): readonly LedgerHit[] {
  const { sql, values } = credentialsOf(target)
  const own = tables.ledger.hits({ sql: `(${sql}) AND state <> 'revoked' AND (not_after_ms > ? OR (kind = 'grant' AND not_after_ms > ?))`, values: [...values, atMs, atMs - justExpiredMs] })
  const condition = grantsOf(target)
  if (condition === undefined) return own
  // the ledger has those of children under whoever they are of; '0' is the character after '/'
  const ofChildren: LedgerCondition = {
    sql: `grant_id IN (SELECT below.id FROM grants AS below WHERE below.parent_id <> '' AND below.live = 1 AND below.state <> 'ending' AND EXISTS (SELECT 1 FROM grants
      WHERE root_id = below.root_id AND below.spiffe_id > spiffe_id || '/sub/' AND below.spiffe_id < spiffe_id || '/sub0' AND ${condition.sql}))`,
    values: condition.values,
  }
  const below = tables.ledger.hits(revocable(ofChildren, atMs - justExpiredMs))
  if (below.length === 0) return own
  const seen = new Set(own.map(({ serial }) => toHex(serial)))
  return [...own, ...below.filter(({ serial }) => !seen.has(toHex(serial)))]
}

function finished(target: LastingTarget, by: Actor): JournalRecord {
  return { kind: 'target.ended', target, by: by.name, atMs: by.atMs }
}
