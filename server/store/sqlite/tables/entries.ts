import { createHash } from 'node:crypto'
import type { Entry, EntrySpec } from '../../../../src/core/entry.ts'
import { formatSelector } from '../../../../src/core/selector.ts'
import { Json } from '../json.ts'
import type { Statements } from '../query.ts'

/** A row as the lists need it: `body` is the entry's JSON without `disabled`. */
export interface EntryRow {
  readonly id: string
  readonly disabled: number
  readonly body: string
}

/** What issuance needs to know of an entry. */
export interface EntryTerms {
  readonly spiffe_id: string
  readonly expires_at: number
  readonly disabled: number
}

/** Registration entries, with their selectors and federated trust domains indexed. */
export class EntryTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  byId(id: string): Entry | undefined {
    const row = this.#statements.query<EntryRow>('SELECT id, disabled, body FROM entries WHERE id = ?').one(id)
    return row === undefined ? undefined : entryOf(row)
  }

  bySimilar(similar: Uint8Array): Entry | undefined {
    const row = this.#statements.query<EntryRow>('SELECT id, disabled, body FROM entries WHERE similar = ?').one(similar)
    return row === undefined ? undefined : entryOf(row)
  }

  has(id: string): boolean {
    return this.#statements.query('SELECT 1 FROM entries WHERE id = ?').one(id) !== undefined
  }

  terms(id: string): EntryTerms | undefined {
    return this.#statements.query<EntryTerms>('SELECT spiffe_id, expires_at, disabled FROM entries WHERE id = ?').one(id)
  }

  hasSpiffeId(spiffeId: string): boolean {
    return this.#statements.query('SELECT 1 FROM entries WHERE spiffe_id = ? LIMIT 1').one(spiffeId) !== undefined
  }

  hasOwner(owner: string): boolean {
    return this.#statements.query("SELECT 1 FROM entries WHERE owner = ? AND owner <> '' LIMIT 1").one(owner) !== undefined
  }

  ownedBy(owner: string, limit: number): Entry[] {
    return this.#statements.query<EntryRow>("SELECT id, disabled, body FROM entries WHERE owner = ? AND owner <> '' ORDER BY id LIMIT ?").all(owner, limit).map(entryOf)
  }

  countOwnedBy(owner: string): number {
    return this.#statements.query<{ n: number }>("SELECT count(*) AS n FROM entries WHERE owner = ? AND owner <> ''").one(owner)?.n ?? 0
  }

  /** How many name this trust domain in `federatesWith`. */
  countFederatedWith(trustDomain: string): number {
    return this.#statements.query<{ n: number }>('SELECT count(*) AS n FROM entry_federates WHERE trust_domain = ?').one(trustDomain)?.n ?? 0
  }

  federatedWith(trustDomain: string, limit: number): string[] {
    return this.#statements.query<{ entry_id: string }>('SELECT entry_id FROM entry_federates WHERE trust_domain = ? ORDER BY entry_id LIMIT ?').all(trustDomain, limit).map((row) => row.entry_id)
  }

  /** Entries whose parent and only selector name this agent. */
  aliasesOf(agentId: string): string[] {
    return this.#statements
      .query<{ id: string }>('SELECT id FROM entries JOIN entry_selectors ON entry_id = id WHERE selector = ? AND parent_id = ? AND selector_count = 1 ORDER BY id')
      .all(`spiffe_id:${agentId}`, agentId)
      .map((row) => row.id)
  }

  put(entry: Entry): void {
    const { disabled, ...rest } = entry
    const selectors = new Set(entry.selectors.map(formatSelector))
    const federates = new Set(entry.federatesWith)
    this.#statements
      .query(
        `INSERT INTO entries (id, spiffe_id, parent_id, similar, selector_count, federates_count, hint, downstream, owner, expires_at, disabled, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        entry.id, entry.spiffeId, entry.parentId, similarDigest(entry), selectors.size, federates.size, entry.hint, entry.downstream ? 1 : 0, entry.owner,
        entry.expiresAtSeconds, disabled ? 1 : 0, JSON.stringify(rest),
      )
    this.#statements
      .query('INSERT INTO entry_ids (spiffe_id, entry_id, current) VALUES (?, ?, 1) ON CONFLICT (spiffe_id, entry_id) DO UPDATE SET current = 1')
      .run(entry.spiffeId, entry.id)
    const select = this.#statements.query('INSERT INTO entry_selectors (selector, entry_id) VALUES (?, ?)')
    for (const selector of selectors) select.run(selector, entry.id)
    for (const domain of federates) this.#statements.query('INSERT INTO entry_federates (trust_domain, entry_id) VALUES (?, ?)').run(domain, entry.id)
  }

  remove(id: string): void {
    const entry = this.byId(id)
    if (entry === undefined) return
    const unselect = this.#statements.query('DELETE FROM entry_selectors WHERE selector = ? AND entry_id = ?')
    for (const selector of entry.selectors) unselect.run(formatSelector(selector), id)
    for (const domain of entry.federatesWith) this.#statements.query('DELETE FROM entry_federates WHERE trust_domain = ? AND entry_id = ?').run(domain, id)
    this.#statements.query('UPDATE entry_ids SET current = 0 WHERE spiffe_id = ? AND entry_id = ?').run(entry.spiffeId, id)
    this.#statements.query('DELETE FROM entries WHERE id = ?').run(id)
  }

  /** Forgets past IDs of entries that no credential of the ledger is of any more. */
  dropPastIds(): void {
    this.#statements
      .query('DELETE FROM entry_ids WHERE current = 0 AND NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.entry_id = entry_ids.entry_id AND ledger.spiffe_id = entry_ids.spiffe_id)')
      .run()
  }

  /** Its revision rises by one, and nothing else of it changes. */
  revise(id: string): void {
    this.#statements.query("UPDATE entries SET body = json_set(body, '$.revision', json_extract(body, '$.revision') + 1) WHERE id = ?").run(id)
  }

  setDisabled(id: string, disabled: boolean): void {
    this.#statements.query('UPDATE entries SET disabled = ? WHERE id = ?').run(disabled ? 1 : 0, id)
  }
}

/** The JSON text of an entry, `disabled` put back. */
function entryJson(row: EntryRow): string {
  return `${row.body.slice(0, -1)},"disabled":${row.disabled === 1}}`
}

export function entriesJson<T>(rows: readonly EntryRow[], next: string | undefined): Json<T> {
  return new Json(`{"items":[${rows.map(entryJson).join(',')}]${next === undefined ? '' : `,"next":${JSON.stringify(next)}`}}`)
}

/** Equal for entries that say the same: SPIFFE ID, parent and the set of selectors. 16 bytes. */
export function similarDigest(spec: Pick<EntrySpec, 'spiffeId' | 'parentId' | 'selectors'>): Uint8Array {
  const selectors = [...new Set(spec.selectors.map(formatSelector))].toSorted()
  return createHash('sha256').update(JSON.stringify([spec.spiffeId, spec.parentId, ...selectors])).digest().subarray(0, 16)
}

function entryOf(row: EntryRow): Entry {
  return JSON.parse(entryJson(row)) as Entry // the body was made by put()
}
