import type { SpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { Statements } from '../query.ts'

/** IDs of grants that ended with all below them. A row outlives everything that was issued under it by the time that the ledger is kept. */
export class PrefixTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  isClosed(prefix: SpiffeId): boolean {
    return this.#statements.query('SELECT 1 FROM closed_prefixes WHERE prefix = ?').one(prefix) !== undefined
  }

  /** How many the stream holds closed through this minute or longer. */
  countStreamed(fromMinute: number): number {
    return this.#statements.query<{ n: number }>('SELECT count(*) AS n FROM closed_prefixes WHERE streamed = 1 AND minute >= ?').one(fromMinute)?.n ?? 0
  }

  /** @param streamed the stream holds it closed */
  close(prefix: SpiffeId, minute: number, streamed: boolean): void {
    this.#statements.query('INSERT INTO closed_prefixes (prefix, minute, streamed) VALUES (?, ?, ?)').run(prefix, minute, streamed ? 1 : 0)
  }

  dropBefore(minute: number): void {
    this.#statements.query('DELETE FROM closed_prefixes WHERE minute < ?').run(minute)
  }
}
