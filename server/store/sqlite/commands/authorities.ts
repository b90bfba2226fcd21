import { MayflyError } from '../../../../src/core/errors.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { Actor, Authority } from '../../port.ts'
import type { Command } from '../operations.ts'
import type { Tables } from '../tables/tables.ts'
import { decision, endDecision, notFound, refuseWhileRolledBack, revisedRecords, revocable } from './ending.ts'

export const prepareAuthority: Command<'authorities.prepare'> = (tables, authority, by) => {
  if (!/^[0-9a-f]{64}$/.test(authority.id)) throw new MayflyError('INVALID_ARGUMENT', 'the id of an authority is 64 hexadecimal digits')
  if (tables.authorities.byId(authority.id) !== undefined) throw new MayflyError('ALREADY_EXISTS', 'this authority was prepared before')
  refuseWhileRolledBack(tables)
  return decision([authorityRecord(authority, by)], undefined)
}

export function authorityRecord({ id, certificate, keyName, notBeforeMs, notAfterMs, preparedAtMs, vouchers = [], upstream }: Omit<Authority, 'state'>, by: Actor): JournalRecord {
  const base64 = (der: Uint8Array): string => Buffer.from(der).toString('base64')
  const shown = vouchers.length === 0 ? {} : { vouchers: vouchers.map(base64) }
  const above = upstream === undefined ? {} : { upstream: { chain: upstream.chain.map(base64), roots: upstream.roots.map(base64) } }
  return { kind: 'authority.prepared', authority: { id, certificate: base64(certificate), keyName, notBeforeMs, notAfterMs, preparedAtMs, ...shown, ...above }, by: by.name, atMs: by.atMs }
}

export const activateAuthority: Command<'authorities.activate'> = (tables, id, by) => {
  const authority = existing(tables, id)
  if (authority.state === 'active') return decision([], undefined)
  if (authority.state !== 'prepared' && authority.state !== 'old') throw new MayflyError('EXPECTATION_FAILED', `the authority is ${authority.state}`)
  refuseWhileRolledBack(tables)
  return decision([{ kind: 'authority.activated', id, by: by.name, atMs: by.atMs }], undefined)
}

export const taintAuthority: Command<'authorities.taint'> = (tables, id, by, reason = '') => {
  const authority = existing(tables, id)
  if (authority.state === 'revoked') throw new MayflyError('EXPECTATION_FAILED', 'the authority is revoked')
  return decision(authority.state === 'tainted' ? [] : [{ kind: 'authority.tainted', id, ...said(reason), by: by.name, atMs: by.atMs }], undefined)
}

export const revokeAuthority: Command<'authorities.revoke'> = (tables, id, by, { dryRun = false, expect, reason = '' } = {}) => {
  const authority = existing(tables, id)
  const hits = tables.ledger.hits(revocable({ sql: 'authority_id = ?', values: [Buffer.from(id, 'hex')] }, by.atMs))
  if (dryRun) return endDecision(tables, hits, [])
  if (expect !== undefined && expect !== hits.length) {
    throw new MayflyError('EXPECTATION_FAILED', `this would end ${hits.length} credentials`, { hint: `say --expect ${hits.length}`, details: { hits: hits.length } })
  }
  return endDecision(tables, hits, authority.state === 'revoked' ? [] : [{ kind: 'authority.revoked', id, ...said(reason), by: by.name, atMs: by.atMs }, ...revisedRecords(tables, hits, by)])
}

export const removeAuthority: Command<'authorities.remove'> = (tables, id, by) => {
  const authority = existing(tables, id)
  if (authority.notAfterMs > by.atMs) throw new MayflyError('EXPECTATION_FAILED', 'the authority is still valid')
  return decision([{ kind: 'authority.removed', id, by: by.name, atMs: by.atMs }], undefined)
}

function said(reason: string): { readonly reason?: string } {
  return reason === '' ? {} : { reason }
}

function existing(tables: Tables, id: string): Authority {
  const authority = tables.authorities.byId(id)
  if (authority === undefined) throw notFound('the authority')
  return authority
}
