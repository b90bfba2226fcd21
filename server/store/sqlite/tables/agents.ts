import { formatSelector, parseSelector } from '../../../../src/core/selector.ts'
import { parseSpiffeId, type SpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { Agent } from '../../port.ts'
import type { Statements } from '../query.ts'

export interface AgentRow {
  readonly id: string
  readonly attestation_type: string
  readonly selectors: string
  readonly serial: string
  readonly not_after_ms: number
  readonly banned: number
  readonly can_reattest: number
  readonly version: string
  readonly attested_at_ms: number
}

export interface TokenRow {
  readonly agent_id: SpiffeId
  readonly alias_id: SpiffeId | null
  readonly expires_at_ms: number
  readonly used_at_ms: number | null
}

export const agentColumns = 'id, attestation_type, selectors, serial, not_after_ms, banned, can_reattest, version, attested_at_ms'

/** Node agents and the tokens that they join with. */
export class AgentTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  byId(id: string): Agent | undefined {
    const row = this.#statements.query<AgentRow>(`SELECT ${agentColumns} FROM agents WHERE id = ?`).one(id)
    return row === undefined ? undefined : agentOf(row)
  }

  /** Unset when there is no such agent. */
  isBanned(id: string): boolean | undefined {
    const row = this.#statements.query<{ banned: number }>('SELECT banned FROM agents WHERE id = ?').one(id)
    return row === undefined ? undefined : row.banned === 1
  }

  /** Adds it, or takes it anew after another attestation. */
  put(agent: Agent): void {
    this.remove(agent.id)
    const selectors = [...new Set(agent.selectors.map(formatSelector))]
    this.#statements
      .query(`INSERT INTO agents (${agentColumns}, selector_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
      .run(
        agent.id, agent.attestationType, JSON.stringify(selectors), agent.serial, agent.notAfterMs, agent.banned ? 1 : 0, agent.canReattest ? 1 : 0,
        agent.version, agent.attestedAtMs, selectors.length,
      )
    for (const selector of selectors) this.#statements.query('INSERT INTO agent_selectors (selector, agent_id) VALUES (?, ?)').run(selector, agent.id)
  }

  setSvid(id: string, serial: string, notAfterMs: number): void {
    this.#statements.query('UPDATE agents SET serial = ?, not_after_ms = ? WHERE id = ?').run(serial, notAfterMs, id)
  }

  setVersion(id: string, version: string): void {
    this.#statements.query('UPDATE agents SET version = ? WHERE id = ?').run(version, id)
  }

  ban(id: string): void {
    this.#statements.query('UPDATE agents SET banned = 1 WHERE id = ?').run(id)
  }

  remove(id: string): void {
    const agent = this.byId(id)
    if (agent === undefined) return
    for (const selector of agent.selectors) this.#statements.query('DELETE FROM agent_selectors WHERE selector = ? AND agent_id = ?').run(formatSelector(selector), id)
    this.#statements.query('DELETE FROM agents WHERE id = ?').run(id)
  }

  token(hash: string): TokenRow | undefined {
    return this.#statements
      .query<TokenRow>('SELECT agent_id, alias_id, expires_at_ms, used_at_ms FROM join_tokens WHERE hash = ?')
      .one(Buffer.from(hash, 'hex'))
  }

  addToken(hash: string, agentId: string, aliasId: string | undefined, expiresAtMs: number): void {
    this.#statements
      .query('INSERT INTO join_tokens (hash, agent_id, alias_id, expires_at_ms) VALUES (?, ?, ?, ?)')
      .run(Buffer.from(hash, 'hex'), agentId, aliasId ?? null, expiresAtMs)
  }

  spendToken(hash: string, atMs: number): void {
    this.#statements.query('UPDATE join_tokens SET used_at_ms = ? WHERE hash = ?').run(atMs, Buffer.from(hash, 'hex'))
  }

  spendAllTokens(atMs: number): void {
    this.#statements.query('UPDATE join_tokens SET used_at_ms = ? WHERE used_at_ms IS NULL').run(atMs)
  }
}

export function agentOf(row: AgentRow): Agent {
  return {
    id: parseSpiffeId(row.id),
    attestationType: row.attestation_type,
    selectors: (JSON.parse(row.selectors) as string[]).map(parseSelector), // an array of texts: put() made it
    serial: row.serial,
    notAfterMs: row.not_after_ms,
    banned: row.banned === 1,
    canReattest: row.can_reattest === 1,
    version: row.version,
    attestedAtMs: row.attested_at_ms,
  }
}
