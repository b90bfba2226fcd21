import { parseSpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { RegisteredVerifier } from '../../port.ts'
import type { Statements } from '../query.ts'

/** Verifiers that registered, by instance. */
export class VerifierTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  put({ instance, spiffeId, class: wanted, software, agentId, registeredAtMs }: RegisteredVerifier): void {
    this.#statements
      .query('INSERT OR REPLACE INTO verifiers (instance, spiffe_id, class, software, agent_id, registered_at_ms) VALUES (?, ?, ?, ?, ?, ?)')
      .run(instance, spiffeId, wanted, software, agentId, registeredAtMs)
  }

  has(instance: string): boolean {
    return this.#statements.query<{ n: number }>('SELECT 1 AS n FROM verifiers WHERE instance = ?').one(instance) !== undefined
  }

  remove(instance: string): void {
    this.#statements.query('DELETE FROM verifiers WHERE instance = ?').run(instance)
  }

  all(): RegisteredVerifier[] {
    return this.#statements
      .query<VerifierRow>('SELECT instance, spiffe_id, class, software, agent_id, registered_at_ms FROM verifiers ORDER BY instance')
      .all()
      .map((row) => ({ instance: row.instance, spiffeId: parseSpiffeId(row.spiffe_id), class: row.class, software: row.software, agentId: parseSpiffeId(row.agent_id), registeredAtMs: row.registered_at_ms }))
  }
}

interface VerifierRow {
  readonly instance: string
  readonly spiffe_id: string
  readonly class: RegisteredVerifier['class']
  readonly software: string
  readonly agent_id: string
  readonly registered_at_ms: number
}
