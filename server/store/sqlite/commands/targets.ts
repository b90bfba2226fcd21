import { MayflyError } from '../../../../src/core/errors.ts'
import { formatSerial, parseSerial } from '../../../../src/core/serial.ts'
import { isAgentId } from '../../../../src/core/spiffe-id.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { Actor, LastingTarget, RevokeOptions, Target, TargetEnd } from '../../port.ts'
import { taskOf } from '../../../../src/core/task.ts'
import type { Command } from '../operations.ts'
import { ofKey, type LedgerCondition, type LedgerHit } from '../tables/ledger.ts'
import type { Tables } from '../tables/tables.ts'
import { nameOf } from '../tables/targets.ts'
import { besides, endTrees } from './grant-ending.ts'
import { decision, describe, endDecision, endRecords, identityRecords, idsOf, live, notFound, revisedRecords, revocable, toHex } from './ending.ts'
import { beginEnd, credentialsOf, type EndPiece } from './target-ends.ts'

/** More hits than this must be expected by number. */
const hitsWithoutExpectation = 10
/** What one transaction supersedes: some 20 ms. */
const rotatedAtOnce = 500
const maxRotatedAtOnce = 1_000

export const revokeTarget: Command<'targets.revoke'> = (tables, given, options, by) => {
  const target = normal(given)
  mustExist(tables, target)
  const { hits, records, more = false, unrotated } = beginOf(tables, target, options, by)
  const result = (left: boolean): TargetEnd => ({ hits: describe(hits), streamSeq: tables.stream.head().seq, more: left, ...(unrotated === undefined ? {} : { unrotated }) })
  if (options.dryRun) return { records: [], result: () => result(false) }
  const goesOn = isLasting(target) && tables.targets.unfinishedOf(target) !== undefined // its number was said when it began
  if (!goesOn && (options.expect === undefined ? hits.length > hitsWithoutExpectation : options.expect !== hits.length)) {
    throw new MayflyError('EXPECTATION_FAILED', `this would end ${hits.length} credential${hits.length === 1 ? '' : 's'}`, { hint: `say --expect ${hits.length}`, details: { hits: hits.length } })
  }
  const disabled = options.rotate || !isLasting(target) ? [] : disableRecords(tables, target, options.reason, by)
  return { records: [...records, ...(options.rotate ? [] : overRecords(tables, target, hits, by)), ...disabled], result: () => result(more) }
}

/** Whoever has nothing live left, because its agent is away, may have connections open. */
function overRecords(tables: Tables, target: Target, hits: readonly LedgerHit[], by: Actor): JournalRecord[] {
  const id = target.kind === 'id' ? target.id : target.kind === 'entry' ? tables.entries.byId(target.entryId)?.spiffeId : undefined
  return id === undefined || hits.some((hit) => hit.spiffe_id === id) ? [] : identityRecords(tables, [id], by)
}

export const continueRotation: Command<'targets.continueRotation'> = (tables, serials, reason, by) => {
  if (serials.length > maxRotatedAtOnce) throw new MayflyError('INVALID_ARGUMENT', `at most ${maxRotatedAtOnce} credentials are rotated at once`)
  const hits = serials.flatMap((serial) => tables.ledger.hits(live({ sql: 'serial = ?', values: [Buffer.from(formatSerial(parseSerial(serial)), 'hex')] }, by.atMs)))
  return endDecision(tables, hits, rotation(tables, hits, reason, by))
}

type Begun = Pick<EndPiece, 'hits' | 'records'> & { readonly more?: boolean; readonly unrotated?: readonly string[] }

function beginOf(tables: Tables, target: Target, options: RevokeOptions, by: Actor): Begun {
  if (options.rotate && target.kind !== 'serial') return beginRotation(tables, target, options, by)
  return isLasting(target) ? beginEnd(tables, { target, cause: 'operator', reason: options.reason }, by) : endAtOnce(tables, target, options, by)
}

/** What is replaced stays what it is: the first of it now, of the rest the serials, so that what is issued in their place is not hit again. */
function beginRotation(tables: Tables, target: Target, { reason, dryRun }: RevokeOptions, by: Actor): Begun {
  const hits = tables.ledger.hits(live(credentialsOf(target), by.atMs))
  const left = dryRun ? [] : hits.slice(rotatedAtOnce).map(({ serial }) => toHex(serial))
  return { hits, records: rotation(tables, hits.slice(0, rotatedAtOnce), reason, by), unrotated: left }
}

function rotation(tables: Tables, hits: readonly LedgerHit[], reason: string, by: Actor): JournalRecord[] {
  return [...endRecords(hits, 'superseded', 'rotated', reason, by), ...revisedRecords(tables, hits, by)]
}

/** What is one credential, or one tree of grants. */
function endAtOnce(tables: Tables, target: Target, { reason }: RevokeOptions, by: Actor): Begun {
  const one = target.kind === 'id' ? tables.grants.list({ sql: 'spiffe_id = ?', values: [target.id] }, 1) : []
  const tree = endTrees(tables, one, { cause: 'operator', detail: reason }, by)
  const others = besides(tables.ledger.hits(revocable(credentialsOf(target), by.atMs)), tree)
  return { hits: [...tree.hits, ...others], records: [...tree.records, ...identityRecords(tables, target.kind === 'serial' ? [] : idsOf(others), by), ...endRecords(others, 'revoked', 'operator', reason, by), ...revisedRecords(tables, others, by)] }
}

export const endKey: Command<'targets.endKey'> = (tables, publicKeyHash, { denyUnknown, reason }, by) => {
  if (!/^[0-9a-f]{64}$/.test(publicKeyHash)) throw new MayflyError('INVALID_ARGUMENT', 'a public key hash is 64 hexadecimal digits')
  const key = Buffer.from(publicKeyHash, 'hex')
  const condition = ofKey(key)
  const hits = tables.ledger.hits(revocable(condition, by.atMs))
  const isDenied = tables.ledger.isDenied(key)
  const known = isDenied || tables.ledger.list(condition, 1).length > 0
  const denied = known || denyUnknown
  const tree = endTrees(tables, tables.ledger.grantsOfKey(key).flatMap((id) => tables.grants.byId(id) ?? []), { cause: 'leak', detail: reason }, by)
  const records = [...tree.records, ...identityRecords(tables, idsOf(hits), by), ...endRecords(besides(hits, tree), 'revoked', 'leak', reason, by), ...revisedRecords(tables, hits, by)]
  if (denied && !isDenied && hits.length === 0) records.push({ kind: 'key.denied', publicKeyHash, cause: 'leak', reason, by: by.name, atMs: by.atMs })
  const { result } = endDecision(tables, [...tree.hits, ...besides(hits, tree)], records)
  return { records, result: () => ({ ...result(), known, denied }) }
}

export const disableTarget: Command<'targets.disable'> = (tables, given, reason, by) => {
  const target = lasting(given)
  mustExist(tables, target)
  return decision(disableRecords(tables, target, reason, by), undefined)
}

export const enableTarget: Command<'targets.enable'> = (tables, given, reason, by) => {
  const target = lasting(given)
  if (!tables.targets.isDisabled(target.kind, nameOf(target))) throw new MayflyError('NOT_FOUND', 'the target is not disabled')
  if (tables.targets.unfinishedOf(target) !== undefined) throw new MayflyError('PRECONDITION_FAILED', 'what the target had is still ending', { hint: 'try again in some seconds' })
  return decision([{ kind: 'target.enabled', target, reason, by: by.name, atMs: by.atMs }], undefined)
}

function disableRecords(tables: Tables, target: LastingTarget, reason: string, by: Actor): JournalRecord[] {
  if (tables.targets.isListed(target.kind, nameOf(target))) return []
  return [{ kind: 'target.disabled', target, reason, by: by.name, atMs: by.atMs }]
}

/** What can be disabled. The ID of a grant need not be: it is never issued again. */
function isLasting(target: Target): target is LastingTarget {
  return target.kind !== 'serial' && !(target.kind === 'id' && taskOf(target.id) !== undefined)
}

/** The ID of an agent means the agent; a serial has one spelling. */
function normal(target: Target): Target {
  if (target.kind === 'id' && isAgentId(target.id)) return { kind: 'agent', id: target.id }
  return target.kind === 'serial' ? { kind: 'serial', serial: formatSerial(parseSerial(target.serial)) } : target
}

function lasting(given: Target): LastingTarget {
  const target = normal(given)
  if (target.kind === 'serial') throw new MayflyError('INVALID_ARGUMENT', 'a serial can be revoked, not disabled or enabled')
  if (target.kind === 'owner' && target.owner === '') throw new MayflyError('INVALID_ARGUMENT', 'the owner is empty')
  return target
}

function mustExist(tables: Tables, target: Target): void {
  const { entries, agents, ledger, targets } = tables
  const known = target.kind !== 'serial' && targets.isDisabled(target.kind, nameOf(target))
  if (known) return
  const seen = (condition: LedgerCondition): boolean => ledger.list(condition, 1).length > 0
  switch (target.kind) {
    case 'serial':
      if (ledger.bySerial(target.serial) === undefined) throw notFound('a credential with this serial')
      return
    case 'id':
      if (!entries.hasSpiffeId(target.id) && !tables.grants.has(target.id) && !tables.roles.hasWorkload(target.id) && !seen(credentialsOf(target))) throw notFound('an entry or credential with this SPIFFE ID')
      return
    case 'entry':
      if (!entries.has(target.entryId)) throw notFound('the entry')
      return
    case 'agent':
      if (agents.isBanned(target.id) === undefined) throw notFound('the agent')
      return
    case 'owner':
      if (target.owner === '' || (!entries.hasOwner(target.owner) && tables.owners.byName(target.owner) === undefined && !seen(credentialsOf(target)))) throw notFound('an entry or credential of this owner')
      return
    default:
      target satisfies never
  }
}
