import { MayflyError } from '../../../../src/core/errors.ts'
import { encodeSerial, formatSerial, minuteOf, parseSerial } from '../../../../src/core/serial.ts'
import { maxIndex } from '../../../../src/core/revocation/codec.ts'
import { grantPrefixesOf } from '../../../../src/core/task.ts'
import type { ReservedCredential } from '../../../journal/records.ts'
import type { Command } from '../operations.ts'
import { packResults, serialTexts, unpackRequests, type Refusal, type UnpackedRequest } from '../packing.ts'
import { deniedHolder, keyHolder, unreleased, type LedgerHit } from '../tables/ledger.ts'
import type { Tables } from '../tables/tables.ts'
import { decision, endRecords, live, refuseWhileRolledBack, toHex } from './ending.ts'

export const reserve: Command<'credentials.reserve'> = (tables, packed, atMs) => {
  const plan = new Plan(tables, atMs)
  const { requests, randomOf } = unpackRequests(packed)
  if (requests.some(({ kind }) => kind === 'grant')) throw new MayflyError('INVALID_ARGUMENT', 'credentials of grants come with their activation or renewal')
  const results = packResults(requests.map((request, at) => plan.add(request, randomOf(at))))
  return decision(plan.reserved.length === 0 ? [] : [{ kind: 'credentials.reserved', credentials: plan.reserved, atMs }], results)
}

export const release: Command<'credentials.release'> = (_tables, serials, atMs) =>
  decision(serials.length === 0 ? [] : [{ kind: 'credentials.released', serials: serialTexts(serials), atMs }], undefined)

export const abandonUnreleased: Command<'credentials.abandonUnreleased'> = (tables, atMs) => {
  const hits = tables.ledger.hits(unreleased)
  return decision(endRecords(hits, 'superseded', 'abandoned', '', { name: 'system', atMs }), hits.length)
}

export const supersede: Command<'credentials.supersede'> = (tables, serials, by) => {
  const hits = hitsOf(serials, (serial) => tables.ledger.hits(live({ sql: 'serial = ?', values: [serial] }, by.atMs)))
  return decision(endRecords(hits, 'superseded', 'rotated', '', by), hits.length)
}

export const endByAgent: Command<'credentials.endByAgent'> = (tables, agentId, serials, cause, by) => {
  const sql = "serial = ? AND agent_id = ? AND kind = 'workload' AND state IN ('released', 'superseded')"
  const hits = hitsOf(serials, (serial) => tables.ledger.hits({ sql, values: [serial, agentId] }))
  return decision(endRecords(hits, 'revoked', cause, '', by), hits.length)
}

export const prune: Command<'credentials.prune'> = (tables, beforeMs, by) => {
  const dropped = tables.ledger.countBefore(beforeMs)
  return decision(dropped === 0 ? [] : [{ kind: 'credentials.pruned', beforeMs, by: by.name, atMs: by.atMs }], dropped)
}

/** Decides one request after the other, each seeing those before it. */
export class Plan {
  readonly reserved: ReservedCredential[] = []
  readonly #tables: Tables
  readonly #atMs: number
  readonly #shard: number
  readonly #prunedBeforeMs: number
  readonly #nextIndex = new Map<number, number>()
  readonly #holders = new Map<string, string>()
  readonly #authorities = new Set<string>()
  readonly #agents = new Map<string, boolean | undefined>()
  #looked = false

  constructor(tables: Tables, atMs: number) {
    this.#tables = tables
    this.#atMs = atMs
    this.#shard = tables.domain.read()?.shard ?? 0
    this.#prunedBeforeMs = tables.domain.prunedBeforeMs()
  }

  /** @param random 8 bytes */
  add(request: UnpackedRequest, random: Uint8Array): Uint8Array | Refusal {
    const agentId = request.agentId ?? (request.kind === 'agent' ? request.spiffeId : undefined)
    if (request.kind !== 'server') this.#refuseWhileRolledBack()
    const refusal = this.#checkTarget(request, agentId) ?? this.#checkKey(request, agentId)
    if (refusal !== undefined) return refusal
    this.#checkAuthority(request.authorityId)
    const serial = { shard: this.#shard, minute: minuteOf(request.notAfterMs), index: this.#takeIndex(request.notAfterMs), random }
    const bytes = encodeSerial(serial)
    this.reserved.push({ ...request, ...(agentId === undefined ? {} : { agentId }), serial: toHex(bytes) })
    return bytes
  }

  /** Nothing of this transaction changes the answer. */
  #refuseWhileRolledBack(): void {
    if (this.#looked) return
    refuseWhileRolledBack(this.#tables)
    this.#looked = true
  }

  #checkTarget(request: UnpackedRequest, agentId: string | undefined): Refusal | undefined {
    const { targets, entries, prefixes } = this.#tables
    if (request.entryId !== undefined) {
      const terms = entries.terms(request.entryId)
      if (terms === undefined || (terms.expires_at !== 0 && terms.expires_at * 1000 <= this.#atMs)) return refuse('NOT_FOUND', 'the entry is gone')
      if (terms.spiffe_id !== request.spiffeId) return refuse('NOT_FOUND', 'the entry names another SPIFFE ID by now')
      if (terms.disabled === 1) return refuse('TARGET_DISABLED', 'the entry is disabled')
    }
    if (agentId !== undefined) {
      const banned = this.#isBanned(agentId)
      if (banned === undefined) return refuse('NOT_FOUND', 'the agent is gone')
      if (banned) return refuse('AGENT_BANNED', 'the agent is banned')
      if (targets.isDisabled('agent', agentId)) return refuse('TARGET_DISABLED', 'the agent is disabled')
    }
    if (grantPrefixesOf(request.spiffeId).some((prefix) => prefixes.isClosed(prefix))) return refuse('TARGET_DISABLED', 'the grant has ended')
    if (targets.isDisabled('id', request.spiffeId)) return refuse('TARGET_DISABLED', 'the SPIFFE ID is disabled')
    if (targets.isDisabled('owner', request.owner)) return refuse('TARGET_DISABLED', 'the owner is disabled')
    return undefined
  }

  #checkKey(request: UnpackedRequest, agentId: string | undefined): Refusal | undefined {
    const key = Buffer.from(request.publicKeyHash, 'hex')
    if (key.length !== 32) throw new MayflyError('INVALID_ARGUMENT', 'a public key hash is 64 hexadecimal digits')
    const holder = keyHolder(request.kind, request.spiffeId, request.entryId, agentId)
    const seen = this.#holders.get(request.publicKeyHash) ?? this.#tables.ledger.holderOfKey(key)
    if (seen === deniedHolder) return refuse('KEY_DENIED', 'this key was ended')
    if (seen !== undefined && seen !== holder) return refuse('KEY_DENIED', 'this key was seen under another entry, agent or grant')
    this.#holders.set(request.publicKeyHash, holder)
    return undefined
  }

  #checkAuthority(id: string): void {
    if (this.#authorities.has(id)) return
    const authority = this.#tables.authorities.byId(id)
    if (authority === undefined || authority.state === 'revoked') throw new MayflyError('NO_ACTIVE_AUTHORITY', 'the authority is unknown or revoked')
    this.#authorities.add(id)
  }

  #isBanned(agentId: string): boolean | undefined {
    if (!this.#agents.has(agentId)) this.#agents.set(agentId, this.#tables.agents.isBanned(agentId))
    return this.#agents.get(agentId)
  }

  #takeIndex(notAfterMs: number): number {
    if (notAfterMs < this.#prunedBeforeMs) throw new MayflyError('CLOCK_JUMPED', 'the credential would end before what is pruned already', { hint: 'the clock was set back' })
    const minute = minuteOf(notAfterMs)
    const index = this.#nextIndex.get(minute) ?? this.#tables.ledger.nextIndex(minute, this.#shard)
    if (index > maxIndex) throw new MayflyError('LIMIT_EXCEEDED', 'too many credentials end in the same minute')
    this.#nextIndex.set(minute, index + 1)
    return index
  }
}

function refuse(code: Refusal['code'], message: string): Refusal {
  return { ok: false, code, message }
}

function hitsOf(serials: readonly string[], find: (serial: Uint8Array) => LedgerHit[]): LedgerHit[] {
  return [...new Set(serials.map((serial) => formatSerial(parseSerial(serial))))].flatMap((serial) => find(Buffer.from(serial, 'hex')))
}
