import { plainEntry } from '../../../../src/core/entry.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { Entry } from '../../../../src/core/entry.ts'
import { formatSelector } from '../../../../src/core/selector.ts'
import type { SpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { Actor, TargetEnd } from '../../port.ts'
import type { Command, Decision } from '../operations.ts'
import { similarDigest } from '../tables/entries.ts'
import type { Tables } from '../tables/tables.ts'
import { decision, describe, notFound } from './ending.ts'
import { deletionRecords } from './entries.ts'
import { beginEnd, type EndPiece } from './target-ends.ts'

export const createJoinToken: Command<'agents.createJoinToken'> = (tables, token, by) => {
  const { tokenHash, agentId, aliasId, expiresAtMs } = token
  if (!/^[0-9a-f]{64}$/.test(tokenHash)) throw new MayflyError('INVALID_ARGUMENT', 'a token is stored as its SHA-256, 64 hexadecimal digits')
  if (tables.agents.token(tokenHash) !== undefined) throw new MayflyError('ALREADY_EXISTS', 'this join token was made before')
  const alias = aliasId === undefined ? [] : aliasRecords(tables, tokenHash, agentId, aliasId, by)
  const created: JournalRecord = { kind: 'token.created', tokenHash, agentId, ...(aliasId === undefined ? {} : { aliasId }), expiresAtMs, by: by.name, atMs: by.atMs }
  return decision([created, ...alias], undefined)
}

export const redeemJoinToken: Command<'agents.redeemJoinToken'> = (tables, tokenHash, atMs) => {
  const token = tables.agents.token(tokenHash)
  if (token === undefined || token.used_at_ms !== null || token.expires_at_ms <= atMs) {
    throw new MayflyError('TOKEN_INVALID', 'the join token is unknown, used or expired', { hint: 'mayfly token create' })
  }
  const id = token.agent_id
  if (tables.agents.isBanned(id) === true) throw new MayflyError('AGENT_BANNED', 'the agent is banned')
  if (tables.targets.isDisabled('agent', id)) throw new MayflyError('TARGET_DISABLED', 'the agent is disabled')
  return decision([{ kind: 'agent.attested', id, attestationType: 'join_token', selectors: [], tokenHash, canReattest: false, atMs }], { agentId: id })
}

export const attestAgent: Command<'agents.attest'> = (tables, { id, attestationType, selectors, once }, atMs) => {
  const before = tables.agents.byId(id)
  if (before?.banned === true) throw new MayflyError('AGENT_BANNED', 'the agent is banned')
  if (tables.targets.isDisabled('agent', id)) throw new MayflyError('TARGET_DISABLED', 'the agent is disabled')
  if (before !== undefined && (once || before.attestationType !== attestationType)) {
    const how = before.attestationType === attestationType ? 'and counts only once' : `by ${before.attestationType}`
    throw new MayflyError('ATTESTED_BEFORE', `this agent has attested before, ${how}`, { hint: `if it is the same node, mayfly agent evict ${id}` })
  }
  const version = before?.version ?? '' // it says so when it starts, and not when it attests again
  const attested: JournalRecord = { kind: 'agent.attested', id, attestationType, selectors: selectors.map(formatSelector), tokenHash: '', canReattest: !once, atMs }
  return decision(version === '' ? [attested] : [attested, { kind: 'agent.version', id, version, atMs }], undefined)
}

export const recordSvid: Command<'agents.recordSvid'> = (tables, id, svid, by) => {
  if (tables.agents.isBanned(id) === undefined) throw notFound('the agent')
  return decision([{ kind: 'agent.svid', id, serial: svid.serial, notAfterMs: svid.notAfterMs, atMs: by.atMs }], undefined)
}

export const recordVersion: Command<'agents.recordVersion'> = (tables, id, version, by) => {
  const agent = tables.agents.byId(id)
  if (agent === undefined) throw notFound('the agent')
  return decision(agent.version === version ? [] : [{ kind: 'agent.version', id, version, atMs: by.atMs }], undefined)
}

export const banAgent: Command<'agents.ban'> = (tables, id, by) => {
  const banned = tables.agents.isBanned(id)
  if (banned === undefined) throw notFound('the agent')
  const end = beginEnd(tables, { target: { kind: 'agent', id }, cause: 'agent_banned', reason: '' }, by)
  return endOf(tables, end, banned ? [] : [{ kind: 'agent.banned', id, by: by.name, atMs: by.atMs }])
}

export const deleteAgent: Command<'agents.delete'> = (tables, id, by) => {
  if (tables.agents.isBanned(id) === undefined) throw notFound('the agent')
  const end = beginEnd(tables, { target: { kind: 'agent', id }, cause: 'agent_evicted', reason: '' }, by)
  const aliases = deletionRecords(tables, tables.entries.aliasesOf(id), by.name, by.atMs)
  return endOf(tables, end, [{ kind: 'agent.deleted', id, by: by.name, atMs: by.atMs }, ...aliases])
}

/** Its grants with all below them, and what else it obtained: the first piece of it. */
function endOf(tables: Tables, { hits, records, more }: EndPiece, also: readonly JournalRecord[]): Decision<TargetEnd> {
  return { records: [...records, ...also], result: () => ({ hits: describe(hits), streamSeq: tables.stream.head().seq, more }) }
}

/** The entry that lets the agent be addressed by another ID: as SPIRE makes it, its parent and only selector name the agent. */
function aliasRecords(tables: Tables, tokenHash: string, agentId: SpiffeId, aliasId: SpiffeId, by: Actor): JournalRecord[] {
  const entry: Entry = {
    id: `alias-${tokenHash.slice(0, 32)}`,
    spiffeId: aliasId,
    parentId: agentId,
    selectors: [{ type: 'spiffe_id', value: agentId }],
    ...plainEntry,
    createdAtSeconds: Math.floor(by.atMs / 1000),
    revision: 0,
    disabled: false,
  }
  if (tables.entries.bySimilar(similarDigest(entry)) !== undefined || tables.entries.has(entry.id)) return []
  return [{ kind: 'entries.created', entries: [entry], by: by.name, atMs: by.atMs }]
}
