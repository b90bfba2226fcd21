import { MayflyError } from '../../../../src/core/errors.ts'
import { maxClosedPrefixes } from '../../../../src/core/revocation/codec.ts'
import { floorMinuteAt } from '../../../../src/core/revocation/set.ts'
import { minuteOf } from '../../../../src/core/serial.ts'
import type { SpiffeId } from '../../../../src/core/spiffe-id.ts'
import { grantPrefixesOf, taskOf } from '../../../../src/core/task.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { Actor, ClosePrefixOptions } from '../../port.ts'
import type { Command } from '../operations.ts'
import { underPrefix, type LedgerHit } from '../tables/ledger.ts'
import type { Tables } from '../tables/tables.ts'
import { endDecision, revocable, toHex } from './ending.ts'

export const closePrefixCommand: Command<'targets.closePrefix'> = (tables, prefix, options, by) => {
  const { hits, records } = closePrefixes(tables, [{ prefix, untilMs: options.untilMs }], options, by)
  return endDecision(tables, hits, records)
}

export interface PrefixToClose {
  readonly prefix: SpiffeId
  /** No credential under it is valid for longer, as far as the caller knows; the ledger is asked too. */
  readonly untilMs: number
}

export interface PrefixEnding extends Omit<ClosePrefixOptions, 'untilMs'> {
  /** Credentials that expired within so long are hit too: connections may be open. */
  readonly expiredMs?: number
}

export interface PrefixEnd {
  /** What ends, each credential once, in no order. */
  readonly hits: readonly LedgerHit[]
  /** Those among them that no event of a prefix ends. */
  readonly byBits: readonly LedgerHit[]
  readonly records: readonly JournalRecord[]
}

/**
 * Ends trees of grants, for commands that decide so: the records that close these IDs, and what they hit. Call it once in a transaction, with all that end in it, since it
 * counts what is closed already. By prefix: one event for a tree. By bits: when nothing live is under it, or {@link maxClosedPrefixes} are closed. An ID that is
 * closed already, or lies below one that is, gives no record. @throws {MayflyError} INVALID_ARGUMENT when one is not the ID of a grant
 */
export function closePrefixes(tables: Tables, given: readonly PrefixToClose[], { cause, reason, expiredMs = 0 }: PrefixEnding, by: Actor): PrefixEnd {
  let room = maxClosedPrefixes - tables.prefixes.countStreamed(floorMinuteAt(by.atMs))
  const closing = new Set(given.map(({ prefix }) => prefix))
  const done = new Set<SpiffeId>()
  const ended = new Map<string, LedgerHit>()
  const byBits: LedgerHit[] = []
  const records: JournalRecord[] = []
  for (const { prefix, untilMs } of given) {
    if (taskOf(prefix) === undefined) throw new MayflyError('INVALID_ARGUMENT', `${prefix} is not the ID of a grant`)
    if (done.has(prefix) || grantPrefixesOf(prefix).some((id) => tables.prefixes.isClosed(id) || (id !== prefix && closing.has(id)))) continue
    done.add(prefix)
    const condition = underPrefix(prefix)
    const hits = tables.ledger.hits(revocable(condition, by.atMs - expiredMs)).filter(({ serial }) => !ended.has(toHex(serial)))
    for (const hit of hits) ended.set(toHex(hit.serial), hit)
    const how = hits.length > 0 && room > 0 ? 'by prefix' : 'by bits'
    if (how === 'by prefix') room -= 1
    else byBits.push(...hits)
    const minute = minuteOf(Math.max(untilMs, by.atMs, tables.ledger.latestNotAfterMs(condition)))
    records.push({ kind: 'prefix.closed', prefix, minute, how, serials: hits.map(({ serial }) => toHex(serial)), cause, reason, by: by.name, atMs: by.atMs })
  }
  return { hits: [...ended.values()], byBits, records }
}
