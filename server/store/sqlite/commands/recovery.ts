import { MayflyError } from '../../../../src/core/errors.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { RestorePlan } from '../../port.ts'
import type { Command } from '../operations.ts'
import type { Tables } from '../tables/tables.ts'
import { authorityRecord } from './authorities.ts'
import { decision, revocable } from './ending.ts'
import { endingRecords } from './grant-ending.ts'
import { notEnded } from '../queries/grant-filters.ts'

/** First byte of a serial: 1 to 127. */
const shards = 127

export const noteRolledBack: Command<'recovery.noteRolledBack'> = (tables, { epoch, seq, chainHash }, by) => {
  if (!/^[0-9a-f]{64}$/.test(chainHash) || !Number.isSafeInteger(epoch) || !Number.isSafeInteger(seq)) throw new MayflyError('INVALID_ARGUMENT', 'a head is an epoch, a number and 64 hexadecimal digits')
  const known = tables.domain.rolledBack()
  const isKnown = known !== undefined && (known.epoch > epoch || (known.epoch === epoch && known.seq >= seq))
  return decision(isKnown ? [] : [{ kind: 'domain.rolled_back', seen: { epoch, seq, chainHash }, by: by.name, atMs: by.atMs }], undefined)
}

export const restoreDomain: Command<'recovery.restore'> = (tables, plan, by) => {
  const before = tables.domain.read()
  if (before === undefined) throw new MayflyError('STORE_CORRUPT', 'the store has no trust domain')
  const seen = tables.domain.rolledBack()
  const epoch = Math.max(before.epoch + 1, (seen?.epoch ?? 0) + 1, Math.floor(by.atMs / 1_000))
  const shard = freeShard(tables, epoch, before.shard, by.atMs)
  const ended = tables.authorities.all().filter(({ state }) => state !== 'revoked')
  const credentials = ended.reduce((sum, { id }) => sum + tables.ledger.count(revocable({ sql: 'authority_id = ?', values: [Buffer.from(id, 'hex')] }, by.atMs)), 0)
  const endedAuthorities = ended.map(({ id, keyName }) => ({ id, keyName }))
  const grants = [...tables.grants.each({ sql: notEnded, values: [] })].flatMap((grant) => endingRecords(grant, { cause: 'operator', detail: 'the server was restored' }, by))
  return decision([restoredRecord(plan, { epoch, shard, before }, ended.map(({ id }) => id), by), ...authorityRecords(tables, plan, ended, by), ...grants], { epoch, shard, endedAuthorities, credentials })
}

function restoredRecord(plan: RestorePlan, { epoch, shard, before }: { readonly epoch: number; readonly shard: number; readonly before: { readonly epoch: number; readonly shard: number } }, endedAuthorityIds: readonly string[], by: { readonly name: string; readonly atMs: number }): JournalRecord {
  const { leavesEndByMs, agentsReturn, reason } = plan
  return { kind: 'domain.restored', epoch, shard, before: { epoch: before.epoch, shard: before.shard }, shardFreeAtMs: leavesEndByMs, endedAuthorityIds, agentsReturn, reason, by: by.name, atMs: by.atMs }
}

/** The new one is there before the old ones go: at no point of a replay is the domain without. */
function authorityRecords(tables: Tables, { authority, reason }: RestorePlan, ended: readonly { readonly id: string }[], by: { readonly name: string; readonly atMs: number }): JournalRecord[] {
  if (tables.authorities.byId(authority.id) !== undefined) throw new MayflyError('ALREADY_EXISTS', 'this authority was prepared before')
  return [
    authorityRecord(authority, by),
    { kind: 'authority.activated', id: authority.id, by: by.name, atMs: by.atMs },
    ...ended.map(({ id }) => ({ kind: 'authority.revoked' as const, id, reason: reason === '' ? 'restored' : `restored: ${reason}`, by: by.name, atMs: by.atMs })),
  ]
}

/** Begins at a place that differs with the epoch, so that two restores of one backup do not take the same. */
function freeShard(tables: Tables, epoch: number, present: number, atMs: number): number {
  for (let step = 0; step < shards; step++) {
    const shard = 1 + ((epoch + step) % shards)
    if (shard !== present && tables.domain.shardFreeAtMs(shard) <= atMs) return shard
  }
  throw new MayflyError('LIMIT_EXCEEDED', 'every shard may still have credentials that are valid', { hint: 'wait until the last of them has expired: an hour' })
}
