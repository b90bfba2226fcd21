import type { AuthorityState } from '../../../../src/core/authority.ts'
import type { Authority, AuthorityUpstream } from '../../port.ts'
import type { Statements } from '../query.ts'

/** The signing keys of the trust domain and their states. */
export class AuthorityTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  /** In the order in which they were prepared. */
  all(): Authority[] {
    return this.#statements.query<AuthorityRow>(`SELECT ${columns} FROM authorities ORDER BY prepared_at_ms, id`).all().map(authorityOf)
  }

  byId(id: string): Authority | undefined {
    const row = this.#statements.query<AuthorityRow>(`SELECT ${columns} FROM authorities WHERE id = ?`).one(Buffer.from(id, 'hex'))
    return row === undefined ? undefined : authorityOf(row)
  }

  put(authority: Authority): void {
    this.#statements
      .query(`INSERT INTO authorities (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
      .run(
        Buffer.from(authority.id, 'hex'), authority.certificate, authority.keyName, authority.state, authority.notBeforeMs, authority.notAfterMs,
        authority.preparedAtMs, authority.activatedAtMs ?? null, authority.endedByRestore ?? '', JSON.stringify((authority.vouchers ?? []).map(base64)),
        authority.upstream === undefined ? '' : JSON.stringify({ chain: authority.upstream.chain.map(base64), roots: authority.upstream.roots.map(base64) }),
      )
  }

  /** The active one, if any, becomes old. */
  activate(id: string, atMs: number): void {
    this.#statements.query("UPDATE authorities SET state = 'old' WHERE state = 'active'").run()
    this.#statements.query("UPDATE authorities SET state = 'active', activated_at_ms = ? WHERE id = ?").run(atMs, Buffer.from(id, 'hex'))
  }

  setState(id: string, state: AuthorityState): void {
    this.#statements.query('UPDATE authorities SET state = ? WHERE id = ?').run(state, Buffer.from(id, 'hex'))
  }

  /** Their state follows with their own records. When no agent is to come back, neither is one with what an earlier restore ended. */
  endByRestore(ids: readonly string[], how: 'agents_return' | 'agents_join'): void {
    for (const id of ids) this.#statements.query('UPDATE authorities SET by_restore = ? WHERE id = ?').run(how, Buffer.from(id, 'hex'))
    if (how === 'agents_join') this.#statements.query("UPDATE authorities SET by_restore = ? WHERE by_restore <> ''").run(how)
  }

  remove(id: string): void {
    this.#statements.query('DELETE FROM authorities WHERE id = ?').run(Buffer.from(id, 'hex'))
  }
}

const columns = 'id, certificate, key_name, state, not_before_ms, not_after_ms, prepared_at_ms, activated_at_ms, by_restore, vouchers, upstream'

interface AuthorityRow {
  readonly id: Uint8Array
  readonly certificate: Uint8Array
  readonly key_name: string
  readonly state: AuthorityState
  readonly not_before_ms: number
  readonly not_after_ms: number
  readonly prepared_at_ms: number
  readonly activated_at_ms: number | null
  readonly by_restore: '' | 'agents_return' | 'agents_join'
  readonly vouchers: string
  readonly upstream: string
}

function authorityOf(row: AuthorityRow): Authority {
  return {
    id: Buffer.from(row.id).toString('hex'),
    certificate: row.certificate,
    keyName: row.key_name,
    state: row.state,
    notBeforeMs: row.not_before_ms,
    notAfterMs: row.not_after_ms,
    preparedAtMs: row.prepared_at_ms,
    ...(row.activated_at_ms === null ? {} : { activatedAtMs: row.activated_at_ms }),
    ...(row.by_restore === '' ? {} : { endedByRestore: row.by_restore }),
    ...(row.vouchers === '[]' ? {} : { vouchers: vouchersOf(row.vouchers) }),
    ...(row.upstream === '' ? {} : { upstream: upstreamOf(row.upstream) }),
  }
}

function vouchersOf(json: string): Uint8Array[] {
  return decoded(JSON.parse(json) as string[]) // put() made it
}

function upstreamOf(json: string): AuthorityUpstream {
  const { chain, roots } = JSON.parse(json) as { chain: string[]; roots: string[] } // likewise
  return { chain: decoded(chain), roots: decoded(roots) }
}

function decoded(texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => Buffer.from(text, 'base64'))
}

function base64(der: Uint8Array): string {
  return Buffer.from(der).toString('base64')
}
