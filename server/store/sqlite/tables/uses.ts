import { parseSpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { CredentialUse } from '../../port.ts'
import type { Statements } from '../query.ts'

/** Where credentials of the ledger were shown: a row for each credential and SPIFFE ID of a verifier, one more where it was refused. */
export class UseTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  add({ serial, verifier, firstMs, lastMs, count, refused }: CredentialUse): void {
    this.#statements
      .query(
        `INSERT INTO ${refused === true ? 'refused_uses' : 'uses'} (serial, verifier, first_ms, last_ms, count) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (serial, verifier)
         DO UPDATE SET first_ms = min(first_ms, ?3), last_ms = max(last_ms, ?4), count = count + ?5`,
      )
      .run(Buffer.from(serial, 'hex'), verifier, firstMs, lastMs, count)
  }

  /** The latest first. */
  of(serial: Uint8Array, limit: number): CredentialUse[] {
    return this.#statements
      .query<UseRow>(
        `SELECT serial, verifier, first_ms, last_ms, count, 0 AS refused FROM uses WHERE serial = ?1
         UNION ALL SELECT serial, verifier, first_ms, last_ms, count, 1 FROM refused_uses WHERE serial = ?1 ORDER BY last_ms DESC, refused DESC, verifier LIMIT ?2`,
      )
      .all(serial, limit)
      .map((row) => ({ ...(row.refused === 1 ? { refused: true } : {}), serial: Buffer.from(row.serial).toString('hex'), verifier: parseSpiffeId(row.verifier), firstMs: row.first_ms, lastMs: row.last_ms, count: row.count }))
  }

  /** With the ledger's rows go their uses. */
  dropWithoutLedger(): void {
    for (const table of ['uses', 'refused_uses']) this.#statements.query(`DELETE FROM ${table} WHERE serial NOT IN (SELECT serial FROM ledger)`).run()
  }
}

interface UseRow {
  readonly serial: Uint8Array
  readonly verifier: string
  readonly first_ms: number
  readonly last_ms: number
  readonly count: number
  readonly refused: number
}
