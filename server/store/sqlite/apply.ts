import { keptMinutes } from '../../../src/core/revocation/set.ts'
import { checkSelector, parseSelector } from '../../../src/core/selector.ts'
import { decodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { isGrantRecord } from '../../journal/grant-records.ts'
import type { JournalRecord } from '../../journal/records.ts'
import type { EndCause, StreamEvent } from '../port.ts'
import { applyGrants } from './apply-grants.ts'
import type { Tables } from './tables/tables.ts'

/**
 * Moves the projections by one record and returns what it adds to the revocation stream. Depends on nothing but the tables and the record, so
 * that replaying the journal gives the same tables.
 */
export function apply(tables: Tables, record: JournalRecord): StreamEvent[] {
  if (isGrantRecord(record)) {
    applyGrants(tables, record)
    return []
  }
  switch (record.kind) {
    case 'domain.created':
      tables.domain.create(record.trustDomain, record.shard, record.epoch, record.atMs)
      return []
    case 'domain.rolled_back':
      tables.domain.noteRolledBack(record.seen, record.by, record.atMs)
      return []
    case 'domain.restored':
      tables.domain.restore(record.epoch, record.shard)
      tables.domain.retireShard(record.before.shard, record.shardFreeAtMs)
      tables.agents.spendAllTokens(record.atMs)
      tables.authorities.endByRestore(record.endedAuthorityIds, record.agentsReturn ? 'agents_return' : 'agents_join')
      tables.stream.startOver()
      return []
    case 'entries.created':
      for (const entry of record.entries) tables.entries.put(entry)
      return []
    case 'entries.updated':
      for (const entry of record.entries) {
        tables.entries.remove(entry.id)
        tables.entries.put(entry)
      }
      return []
    case 'entries.revised':
      for (const id of record.ids) tables.entries.revise(id)
      return []
    case 'entries.deleted':
      for (const id of record.ids) tables.entries.remove(id)
      return []
    case 'token.created':
      tables.agents.addToken(record.tokenHash, record.agentId, record.aliasId, record.expiresAtMs)
      return []
    case 'agent.attested': {
      const { id, attestationType, canReattest, atMs } = record
      const selectors = record.selectors.map((text) => checkSelector(parseSelector(text)))
      if (record.tokenHash !== '') tables.agents.spendToken(record.tokenHash, atMs)
      tables.agents.put({ id, attestationType, selectors, serial: '', notAfterMs: 0, banned: false, canReattest, version: '', attestedAtMs: atMs })
      return []
    }
    case 'agent.svid':
      tables.agents.setSvid(record.id, record.serial, record.notAfterMs)
      return []
    case 'agent.version':
      tables.agents.setVersion(record.id, record.version)
      return []
    case 'agent.banned':
      tables.agents.ban(record.id)
      return []
    case 'agent.deleted':
      tables.agents.remove(record.id)
      return []
    case 'credentials.reserved':
      return reserved(tables, record)
    case 'credentials.released':
      tables.ledger.release(record.serials)
      return []
    case 'identities.ended':
      return record.ids.map((id) => tables.stream.append({ kind: 'identity_ended', id, minute: minuteOf(record.atMs) }, record.atMs))
    case 'credentials.ended':
      return ended(tables, record)
    case 'key.denied':
      tables.ledger.denyKey(Buffer.from(record.publicKeyHash, 'hex'), record.cause, record.atMs)
      return []
    case 'prefix.closed':
      return prefixClosed(tables, record)
    case 'credentials.pruned':
      tables.ledger.dropBefore(record.beforeMs)
      tables.uses.dropWithoutLedger()
      tables.entries.dropPastIds()
      tables.stream.dropBitsBefore(minuteOf(record.beforeMs) - keptMinutes)
      tables.prefixes.dropBefore(minuteOf(record.beforeMs) - keptMinutes)
      tables.domain.notePruned(record.beforeMs)
      return []
    case 'verifiers.registered':
      for (const verifier of record.verifiers) tables.verifiers.put(verifier)
      return []
    case 'verifiers.removed':
      for (const instance of record.instances) tables.verifiers.remove(instance)
      return []
    case 'uses.reported':
      for (const use of record.uses) tables.uses.add(use)
      return []
    case 'stream.pruned':
      tables.stream.dropThrough(record.throughSeq)
      return []
    case 'target.disabled':
    case 'target.enabled':
      return targetMoved(tables, record)
    case 'target.ending':
      tables.targets.begin(record)
      return []
    case 'target.ended':
      tables.targets.finish(record.target)
      return []
    case 'authority.prepared': {
      const { certificate, vouchers = [], upstream, ...rest } = record.authority
      const decoded = (texts: readonly string[]): Uint8Array[] => texts.map((text) => Buffer.from(text, 'base64'))
      const above = upstream === undefined ? {} : { upstream: { chain: decoded(upstream.chain), roots: decoded(upstream.roots) } }
      tables.authorities.put({ ...rest, ...above, certificate: Buffer.from(certificate, 'base64'), vouchers: decoded(vouchers), state: 'prepared' })
      tables.domain.raiseBundleSequence()
      return [tables.stream.append({ kind: 'authority_indexed', authorityId: rest.id }, record.atMs)]
    }
    case 'authority.activated':
      tables.authorities.activate(record.id, record.atMs)
      return []
    case 'authority.tainted':
      tables.authorities.setState(record.id, 'tainted')
      tables.domain.raiseBundleSequence()
      return []
    case 'authority.revoked':
      tables.authorities.setState(record.id, 'revoked')
      tables.domain.raiseBundleSequence()
      tables.ledger.endByAuthority(record.id, record.reason ?? '', record.atMs)
      return [tables.stream.append({ kind: 'authority_revoked', authorityId: record.id }, record.atMs)]
    case 'authority.removed':
      tables.authorities.remove(record.id)
      tables.domain.raiseBundleSequence()
      return []
    case 'bundle.set':
      tables.bundles.put(record.bundle)
      return []
    case 'bundle.deleted':
      tables.bundles.remove(record.trustDomain)
      return []
    default:
      return record satisfies never
  }
}

type RecordOf<K extends JournalRecord['kind']> = Extract<JournalRecord, { kind: K }>

function reserved(tables: Tables, record: RecordOf<'credentials.reserved'>): StreamEvent[] {
  const highest = new Map<string, { shard: number; minute: number; index: number }>()
  for (const credential of record.credentials) {
    tables.ledger.insert(credential, record.atMs)
    const serial = serialOf(credential.serial)
    const bucket = `${serial.shard} ${serial.minute}`
    if (serial.index >= (highest.get(bucket)?.index ?? 0)) highest.set(bucket, serial)
  }
  tables.ledger.reserve(record.credentials.map(({ serial }) => serial))
  for (const { minute, shard, index } of highest.values()) tables.ledger.takeIndex(minute, shard, index)
  return []
}

function ended(tables: Tables, record: RecordOf<'credentials.ended'>): StreamEvent[] {
  const state = record.bit === 'revoked' ? 'revoked' : record.cause === 'abandoned' ? 'abandoned' : 'superseded'
  return record.serials.flatMap((serial) => {
    const row = endRow(tables, serial, state, record)
    const ended = bit(tables, serial, record.bit, record.atMs)
    if (row?.kind !== 'downstream' || state !== 'revoked') return [ended]
    // all that it signed ends with it: nobody here knows those serials
    return [ended, tables.stream.append({ kind: 'authority_revoked', authorityId: Buffer.from(row.key).toString('hex') }, record.atMs)]
  })
}

function endRow(tables: Tables, serial: string, state: 'superseded' | 'revoked' | 'abandoned', { cause, reason, atMs }: { readonly cause: EndCause; readonly reason: string; readonly atMs: number }): ReturnType<Tables['ledger']['end']> {
  const row = tables.ledger.end(Buffer.from(serial, 'hex'), state, cause, reason, atMs)
  if (row !== undefined && state === 'revoked' && deniesKey(cause)) tables.ledger.denyKey(row.key, cause, atMs)
  return row
}

function bit(tables: Tables, serial: string, kind: 'superseded' | 'revoked', atMs: number): StreamEvent {
  const { shard, minute, index } = serialOf(serial)
  return tables.stream.append({ kind, shard, minute, index }, atMs)
}

function prefixClosed(tables: Tables, record: RecordOf<'prefix.closed'>): StreamEvent[] {
  const { prefix, minute, how, serials, atMs } = record
  tables.prefixes.close(prefix, minute, how === 'by prefix')
  for (const serial of serials) endRow(tables, serial, 'revoked', record)
  if (how === 'by prefix') return [tables.stream.append({ kind: 'prefix_closed', prefix, minute }, atMs)]
  return serials.map((serial) => bit(tables, serial, 'revoked', atMs))
}

function targetMoved(tables: Tables, record: RecordOf<'target.disabled' | 'target.enabled'>): StreamEvent[] {
  const { target } = record
  if (target.kind === 'serial') throw new Error('a serial is never disabled') // commands refuse it
  if (record.kind === 'target.disabled') tables.targets.disable(target, record.reason, record.by, record.atMs)
  else tables.targets.enable(target)
  if (target.kind === 'entry') tables.entries.setDisabled(target.entryId, record.kind === 'target.disabled')
  return []
}

/** Whether the keys of credentials revoked so are refused from then on. A holder that merely exited gave its key up unharmed. */
function deniesKey(cause: EndCause): boolean {
  return cause === 'operator' || cause === 'leak' || cause === 'agent_banned' || cause === 'agent_evicted' || cause === 'entry_deleted'
}

function serialOf(text: string): { shard: number; minute: number; index: number } {
  const serial = decodeSerial(Buffer.from(text, 'hex'))
  if (serial === undefined) throw new Error('the journal holds a serial that is none') // commands write serials that encodeSerial made
  return serial
}
