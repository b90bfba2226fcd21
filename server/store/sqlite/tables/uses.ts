import { parseSpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { CredentialUse } from '../../port.ts'
import type { Statements } from '../query.ts'

/** Where credentials of the ledger were accepted: a row for each credential and SPIFFE ID of a verifier. */
export class UseTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  add({ serial, verifier, firstMs, lastMs, count }: CredentialUse): void {
    this.#statements
      .query(
        `INSERT INTO uses (serial, verifier, first_ms, last_ms, count) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (serial, verifier)
         DO UPDATE SET first_ms = min(first_ms, ?3), last_ms = max(last_ms, ?4), count = count + ?5`,
      )
      .run(Buffer.from(serial, 'hex'), verifier, firstMs, lastMs, count)
  }

  /** The latest first. */
  of(serial: Uint8Array, limit: number): CredentialUse[] {
    return this.#statements
      .query<UseRow>('SELECT serial, verifier, first_ms, last_ms, count FROM uses WHERE serial = ? ORDER BY last_ms DESC, verifier LIMIT ?')
      .all(serial, limit)
      .map((row) => ({ serial: Buffer.from(row.serial).toString('hex'), verifier: parseSpiffeId(row.verifier), firstMs: row.first_ms, lastMs: row.last_ms, count: row.count }))
  }

  /** With the ledger's rows go their uses. */
  dropWithoutLedger(): void {
    this.#statements.query('DELETE FROM uses WHERE serial NOT IN (SELECT serial FROM ledger)').run()
  }
}

interface UseRow {
  readonly serial: Uint8Array
  readonly verifier: string
  readonly first_ms: number
  readonly last_ms: number
  readonly count: number
}
