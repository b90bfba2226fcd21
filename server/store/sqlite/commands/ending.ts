import { MayflyError } from '../../../../src/core/errors.ts'
import { isSpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { Actor, EndCause, EndResult, Hits } from '../../port.ts'
import type { Decision } from '../operations.ts'
import type { LedgerCondition, LedgerHit } from '../tables/ledger.ts'
import { rolledBackError } from '../../rolled-back.ts'
import type { Tables } from '../tables/tables.ts'

const serialsShown = 100

/** Rows that a revocation of this moment can still end: superseded and abandoned ones too, whose holders may have connections open. */
export function revocable(condition: LedgerCondition, atMs: number): LedgerCondition {
  return { sql: `(${condition.sql}) AND state <> 'revoked' AND not_after_ms > ?`, values: [...condition.values, atMs] }
}

/** Rows that are live: neither ended nor past their notAfter. */
export function live(condition: LedgerCondition, atMs: number): LedgerCondition {
  return { sql: `(${condition.sql}) AND state = 'released' AND not_after_ms > ?`, values: [...condition.values, atMs] }
}

/** An agent's own SVIDs, which bear its id as those of its workloads do, and all that it obtained for them. */
export function ofAgent(id: string): LedgerCondition {
  return { sql: 'agent_id = ?', values: [id] }
}

export function ofEntry(id: string): LedgerCondition {
  return { sql: 'entry_id = ?', values: [id] }
}

/** No record when nothing is hit. */
export function endRecords(hits: readonly LedgerHit[], bit: 'superseded' | 'revoked', cause: EndCause, reason: string, by: Actor): JournalRecord[] {
  if (hits.length === 0) return []
  return [{ kind: 'credentials.ended', serials: hits.map((hit) => toHex(hit.serial)), bit, cause, reason, by: by.name, atMs: by.atMs }]
}

/**
 * Of these identities, which are ended now, those that had credentials which have expired: bits end what is live, and connections may be open since before. To come before the records that
 * set bits. No record when there are none. @param expiredMs bits end what expired within so long too
 */
export function identityRecords(tables: Tables, ids: Iterable<string>, by: Actor, expiredMs = 0): JournalRecord[] {
  const known = [...new Set(ids)].filter(isSpiffeId).filter((id) => tables.ledger.hasExpired(id, by.atMs - expiredMs))
  return known.length === 0 ? [] : [{ kind: 'identities.ended', ids: known, by: by.name, atMs: by.atMs }]
}

export function idsOf(hits: readonly LedgerHit[]): readonly string[] {
  return hits.map((hit) => hit.spiffe_id)
}

/** Entries whose workloads these credentials were of, and that are still there: they are signed for anew, also by agents that follow no stream. No record when there are none. */
export function revisedRecords(tables: Tables, hits: readonly LedgerHit[], by: Actor): JournalRecord[] {
  const ids = new Set(hits.flatMap(({ kind, entry_id: id }) => (kind === 'workload' && id !== null ? [id] : [])))
  const present = [...ids].filter((id) => tables.entries.has(id))
  return present.length === 0 ? [] : [{ kind: 'entries.revised', ids: present, by: by.name, atMs: by.atMs }]
}

export function describe(hits: readonly LedgerHit[]): Hits {
  return {
    credentials: hits.length,
    workloads: new Set(hits.filter((hit) => hit.kind !== 'agent').map((hit) => hit.spiffe_id)).size,
    owners: [...new Set(hits.map((hit) => hit.owner).filter((owner) => owner !== ''))].toSorted(),
    serials: hits.slice(0, serialsShown).map((hit) => toHex(hit.serial)),
  }
}

/** The answer of what ends credentials: whom it hit, and the head of the stream once it is in it. */
export function endDecision(tables: Tables, hits: readonly LedgerHit[], records: readonly JournalRecord[]): Decision<EndResult> {
  return { records, result: () => ({ hits: describe(hits), streamSeq: tables.stream.head().seq }) }
}

export function decision<R>(records: readonly JournalRecord[], value: R): Decision<R> {
  return { records, result: () => value }
}

/** A store that is behind its own past signs nothing (design 6, Epochs). @throws {MayflyError} SERVER_ROLLED_BACK */
export function refuseWhileRolledBack(tables: Tables): void {
  const seen = tables.domain.rolledBack()
  if (seen !== undefined) throw rolledBackError(seen)
}

export function notFound(what: string): MayflyError {
  return new MayflyError('NOT_FOUND', `${what} does not exist`)
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
