import { parseSpiffeId, type SpiffeId } from '../../../../src/core/spiffe-id.ts'
import { minuteOf, serialBytes } from '../../../../src/core/serial.ts'
import { taskOf } from '../../../../src/core/task.ts'
import type { ReservedCredential } from '../../../journal/records.ts'
import type { Credential, EndCause } from '../../port.ts'
import type { Statements } from '../query.ts'
import { runsOf } from '../serial-runs.ts'

/** A condition on ledger rows, with its values; written by the code, never by a caller. */
export interface LedgerCondition {
  readonly sql: string
  readonly values: readonly (string | number | Uint8Array)[]
}

/** What ending needs to know of a row. */
export interface LedgerHit {
  readonly serial: Uint8Array
  readonly spiffe_id: string
  readonly entry_id: string | null
  readonly agent_id: string | null
  readonly owner: string
  readonly kind: Credential['kind']
}

/** A row for each credential; which indices of a bucket are given out; which keys are denied. */
export class LedgerTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  nextIndex(minute: number, shard: number): number {
    return this.#statements.query<{ n: number }>('SELECT next_index AS n FROM buckets WHERE minute = ? AND shard = ?').one(minute, shard)?.n ?? 0
  }

  /** Notes that the bucket's indices up to `index` are given out. */
  takeIndex(minute: number, shard: number, index: number): void {
    this.#statements
      .query('INSERT INTO buckets (minute, shard, next_index) VALUES (?1, ?2, ?3) ON CONFLICT (minute, shard) DO UPDATE SET next_index = max(next_index, ?3)')
      .run(minute, shard, index + 1)
  }

  insert(credential: ReservedCredential, atMs: number): void {
    const task = taskOf(credential.spiffeId)
    this.#statements
      .query(
        `INSERT INTO ledger (serial, kind, spiffe_id, entry_id, agent_id, owner, grant_id, root_grant_id, public_key_hash, authority_id, not_before_ms, not_after_ms,
           issued_at_ms, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'released')`,
      )
      .run(
        Buffer.from(credential.serial, 'hex'), credential.kind, credential.spiffeId, credential.entryId ?? null, credential.agentId ?? null, credential.owner,
        task === undefined ? null : (task.subs.at(-1) ?? task.grantId), task?.grantId ?? null,
        Buffer.from(credential.publicKeyHash, 'hex'), Buffer.from(credential.authorityId, 'hex'), credential.notBeforeMs, credential.notAfterMs, atMs,
      )
  }

  /** Whom a key was given to, as {@link keyHolder} spells it; {@link deniedHolder} when nobody may have it. A key has one holder, so any row says it. */
  holderOfKey(publicKeyHash: Uint8Array): string | undefined {
    const row = this.#statements
      .query<HolderRow & { readonly denied: number }>(
        `SELECT 1 AS denied, 'mint' AS kind, '' AS spiffe_id, NULL AS entry_id, NULL AS agent_id FROM denied_keys WHERE hash = ?1
         UNION ALL SELECT 0, kind, spiffe_id, entry_id, agent_id FROM ledger WHERE ${hasKey('?1')} LIMIT 1`,
      )
      .one(publicKeyHash)
    if (row === undefined) return undefined
    return row.denied === 1 ? deniedHolder : keyHolder(row.kind, row.spiffe_id, row.entry_id ?? undefined, row.agent_id ?? undefined)
  }

  isDenied(publicKeyHash: Uint8Array): boolean {
    return this.#statements.query('SELECT 1 FROM denied_keys WHERE hash = ?').one(publicKeyHash) !== undefined
  }

  denyKey(publicKeyHash: Uint8Array, cause: EndCause, atMs: number): void {
    this.#statements.query('INSERT INTO denied_keys (hash, cause, at_ms) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING').run(publicKeyHash, cause, atMs)
  }

  /** Notes that these rows, which are there, are not known to have been handed out yet. */
  reserve(serials: readonly string[]): void {
    const note = this.#statements.query('INSERT INTO unreleased SELECT serial FROM ledger WHERE serial BETWEEN ? AND ?')
    for (const { first, last } of runsOf(serials)) note.run(Buffer.from(first, 'hex'), Buffer.from(last, 'hex'))
  }

  /** Notes that they were handed out. */
  release(serials: readonly string[]): void {
    const note = this.#statements.query('DELETE FROM unreleased WHERE serial BETWEEN ? AND ?')
    for (const { first, last } of runsOf(serials)) note.run(Buffer.from(first, 'hex'), Buffer.from(last, 'hex'))
  }

  /** Returns the credential's key and kind, or `undefined` when there is no such row. */
  end(serial: Uint8Array, state: 'superseded' | 'revoked' | 'abandoned', cause: EndCause, reason: string, atMs: number): { readonly key: Uint8Array; readonly kind: Credential['kind'] } | undefined {
    this.#statements.query('DELETE FROM unreleased WHERE serial = ?').run(serial)
    return this.#statements
      .query<{ key: Uint8Array; kind: Credential['kind'] }>('UPDATE ledger SET state = ?, ended_at_ms = ?, cause = ?, reason = ? WHERE serial = ? RETURNING public_key_hash AS key, kind')
      .one(state, atMs, cause, reason, serial)
  }

  /** All that an authority signed and that still lives ends with it, without bits of its own. */
  endByAuthority(authorityId: string, reason: string, atMs: number): void {
    const id = Buffer.from(authorityId, 'hex')
    this.#statements
      .query('DELETE FROM unreleased WHERE EXISTS (SELECT 1 FROM ledger WHERE ledger.serial = unreleased.serial AND authority_id = ? AND not_after_ms > ?)')
      .run(id, atMs)
    this.#statements
      .query("UPDATE ledger SET state = 'revoked', ended_at_ms = ?1, cause = 'authority_revoked', reason = ?3 WHERE authority_id = ?2 AND state <> 'revoked' AND not_after_ms > ?1")
      .run(atMs, id, reason)
  }

  /** Grants that ever held this key. */
  grantsOfKey(publicKeyHash: Uint8Array): string[] {
    return this.#statements
      .query<{ id: string }>(`SELECT DISTINCT grant_id AS id FROM ledger WHERE ${hasKey('?1')} AND grant_id IS NOT NULL ORDER BY grant_id`)
      .all(publicKeyHash)
      .map(({ id }) => id)
  }

  /** What was one owner's is another's. */
  transferOwner(from: string, to: string): void {
    this.#statements.query("UPDATE ledger SET owner = ? WHERE owner = ? AND owner <> ''").run(to, from)
  }

  /** Latest notAfter of the rows; 0 when there are none. */
  latestNotAfterMs(condition: LedgerCondition): number {
    return this.#statements.query<{ ms: number | null }>(`SELECT max(not_after_ms) AS ms FROM ledger WHERE ${condition.sql}`).one(...condition.values)?.ms ?? 0
  }

  /** Rows whose notAfter lies before. */
  countBefore(ms: number): number {
    return this.count(this.#endingBefore(ms))
  }

  dropBefore(ms: number): void {
    const { sql, values } = this.#endingBefore(ms)
    this.#statements.query(`DELETE FROM unreleased WHERE serial IN (SELECT serial FROM ledger WHERE ${sql})`).run(...values)
    this.#statements.query(`DELETE FROM ledger WHERE ${sql}`).run(...values)
  }

  /** Rows whose notAfter lies after: found by their serials, which are in the order of notAfter within each shard. */
  endingAfter(ms: number): LedgerCondition {
    return this.#inShards('not_after_ms > ?', ms, (shard) => [startOf(shard, minuteOf(ms)), startOf(shard + 1, 0)])
  }

  #endingBefore(ms: number): LedgerCondition {
    return this.#inShards('not_after_ms < ?', ms, (shard) => [startOf(shard, 0), startOf(shard, minuteOf(ms) + 1)])
  }

  #inShards(condition: string, ms: number, range: (shard: number) => readonly [from: Uint8Array, to: Uint8Array]): LedgerCondition {
    const shards = this.#statements.query<{ shard: number }>('SELECT shard FROM domain UNION SELECT shard FROM past_shards').all()
    const ranges = shards.map(() => '(serial >= ? AND serial < ?)').join(' OR ')
    return { sql: `${condition} AND (${ranges})`, values: [ms, ...shards.flatMap(({ shard }) => range(shard))] }
  }

  bySerial(serial: string): Credential | undefined {
    const row = this.#statements.query<LedgerRow>(`SELECT ${columns} FROM ledger WHERE serial = ?`).one(Buffer.from(serial, 'hex'))
    return row === undefined ? undefined : credentialOf(row)
  }

  has(serial: Uint8Array): boolean {
    return this.#statements.query<{ n: number }>('SELECT 1 AS n FROM ledger WHERE serial = ?').one(serial) !== undefined
  }

  list(condition: LedgerCondition, limit: number): Credential[] {
    return this.#statements
      .query<LedgerRow>(`SELECT ${columns} FROM ledger WHERE ${condition.sql} ORDER BY serial LIMIT ?`)
      .all(...condition.values, limit)
      .map(credentialOf)
  }

  count(condition: LedgerCondition): number {
    return this.#statements.query<{ n: number }>(`SELECT count(*) AS n FROM ledger WHERE ${condition.sql}`).one(...condition.values)?.n ?? 0
  }

  /** Whether a credential of this ID has expired: connections may be open that were made with it. */
  hasExpired(id: SpiffeId, atMs: number): boolean {
    const { sql, values } = ofSpiffeId(id)
    return this.#statements.query<{ n: number }>(`SELECT 1 AS n FROM ledger WHERE (${sql}) AND not_after_ms <= ? LIMIT 1`).one(...values, atMs) !== undefined
  }

  /** In the order of their serials; the first ones with a limit. */
  hits(condition: LedgerCondition, limit = -1): LedgerHit[] {
    return this.#statements
      .query<LedgerHit>(`SELECT serial, spiffe_id, entry_id, agent_id, owner, kind FROM ledger WHERE ${condition.sql} ORDER BY serial LIMIT ?`)
      .all(...condition.values, limit)
  }
}

/** Credentials of a SPIFFE ID. Those of an entry are found through the few entries that have or had this ID, so that the ledger needs no index of every ID. */
export function ofSpiffeId(id: string): LedgerCondition {
  return { sql: '(entry_id IS NULL AND spiffe_id = ?) OR (entry_id IN (SELECT entry_id FROM entry_ids WHERE spiffe_id = ?) AND spiffe_id = ?)', values: [id, id, id] }
}

/** Credentials that were issued to a key. */
export function ofKey(publicKeyHash: Uint8Array): LedgerCondition {
  return { sql: hasKey('?'), values: [publicKeyHash, publicKeyHash] }
}

/** All that was issued to the key of a credential. */
export function ofKeyOf(serial: Uint8Array): LedgerCondition {
  return { sql: hasKey('(SELECT public_key_hash FROM ledger WHERE serial = ?)'), values: [serial, serial] }
}

/** The index holds the first octets alone: a whole hash in it, of which no two follow one another, made it twice as large, and each issue writes a page of it. */
function hasKey(hash: string): string {
  return `substr(public_key_hash, 1, 8) = substr(${hash}, 1, 8) AND public_key_hash = ${hash}`
}

/** Credentials that bear this ID of a grant, or one below it, found through the grant at its root. */
export function underPrefix(prefix: SpiffeId): LedgerCondition {
  // '0' is the character after '/'
  return { sql: 'root_grant_id = ? AND (spiffe_id = ? OR (spiffe_id > ? AND spiffe_id < ?))', values: [taskOf(prefix)?.grantId ?? '', prefix, `${prefix}/`, `${prefix}0`] }
}

/** Who may hold a key: a public key belongs to one entry on one agent, to one agent, or to one minted ID (design 5). */
export function keyHolder(kind: Credential['kind'], spiffeId: string, entryId: string | undefined, agentId: string | undefined): string {
  return kind === 'workload' ? `${kind} ${entryId ?? spiffeId} ${agentId ?? ''}` : `${kind} ${spiffeId}`
}

/** Written down and, as far as the ledger knows, not handed out: neither released nor ended. */
export const unreleased: LedgerCondition = { sql: 'serial IN (SELECT serial FROM unreleased)', values: [] }

/** Holder of the keys that were ended. */
export const deniedHolder = 'denied'

const columns = `serial, kind, spiffe_id, entry_id, agent_id, owner, public_key_hash, authority_id, not_before_ms, not_after_ms, issued_at_ms,
  iif(EXISTS (SELECT 1 FROM unreleased WHERE unreleased.serial = ledger.serial), 'reserved', state) AS state,
  ended_at_ms, cause, reason`

interface HolderRow {
  readonly kind: Credential['kind']
  readonly spiffe_id: string
  readonly entry_id: string | null
  readonly agent_id: string | null
}

interface LedgerRow extends HolderRow {
  readonly serial: Uint8Array
  readonly owner: string
  readonly public_key_hash: Uint8Array
  readonly authority_id: Uint8Array
  readonly not_before_ms: number
  readonly not_after_ms: number
  readonly issued_at_ms: number
  readonly state: Credential['state']
  readonly ended_at_ms: number | null
  readonly cause: EndCause | null
  readonly reason: string | null
}

function credentialOf(row: LedgerRow): Credential {
  return {
    kind: row.kind,
    spiffeId: parseSpiffeId(row.spiffe_id),
    ...(row.entry_id === null ? {} : { entryId: row.entry_id }),
    ...(row.agent_id === null ? {} : { agentId: parseSpiffeId(row.agent_id) }),
    owner: row.owner,
    publicKeyHash: Buffer.from(row.public_key_hash).toString('hex'),
    authorityId: Buffer.from(row.authority_id).toString('hex'),
    notBeforeMs: row.not_before_ms,
    notAfterMs: row.not_after_ms,
    serial: Buffer.from(row.serial).toString('hex'),
    issuedAtMs: row.issued_at_ms,
    state: row.state,
    ...(row.ended_at_ms === null ? {} : { endedAtMs: row.ended_at_ms }),
    ...(row.cause === null ? {} : { cause: row.cause }),
    ...(row.reason === null || row.reason === '' ? {} : { reason: row.reason }),
  }
}

/** Not above the first serial of this bucket, and above all before it. */
function startOf(shard: number, minute: number): Uint8Array {
  const bytes = Buffer.alloc(serialBytes)
  bytes.writeUInt8(shard, 0)
  bytes.writeUInt32BE(Math.max(0, Math.min(minute, 0xffff_ffff)), 1)
  return bytes
}
