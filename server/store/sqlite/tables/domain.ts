import { parseTrustDomain } from '../../../../src/core/spiffe-id.ts'
import type { Domain } from '../../port.ts'
import type { Statements } from '../query.ts'

/** The one row that says whose store this is, and two numbers of the whole. */
export class DomainTable {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  read(): Domain | undefined {
    const row = this.#statements.query<DomainRow>('SELECT trust_domain, shard, epoch, created_at_ms FROM domain').one()
    return row === undefined ? undefined : { trustDomain: parseTrustDomain(row.trust_domain), shard: row.shard, epoch: row.epoch, createdAtMs: row.created_at_ms }
  }

  create(trustDomain: string, shard: number, epoch: number, atMs: number): void {
    this.#statements
      .query('INSERT INTO domain (trust_domain, shard, epoch, created_at_ms, bundle_sequence, pruned_before_ms) VALUES (?, ?, ?, ?, 0, 0)')
      .run(trustDomain, shard, epoch, atMs)
  }

  bundleSequence(): number {
    return this.#statements.query<{ n: number }>('SELECT bundle_sequence AS n FROM domain').one()?.n ?? 0
  }

  raiseBundleSequence(): void {
    this.#statements.query('UPDATE domain SET bundle_sequence = bundle_sequence + 1').run()
  }

  /** Writes the row as it is. */
  touch(): void {
    this.#statements.query('UPDATE domain SET shard = shard').run()
  }

  /** No serial may be given out any more for what ends before this. */
  prunedBeforeMs(): number {
    return this.#statements.query<{ n: number }>('SELECT pruned_before_ms AS n FROM domain').one()?.n ?? 0
  }

  notePruned(beforeMs: number): void {
    this.#statements.query('UPDATE domain SET pruned_before_ms = max(pruned_before_ms, ?)').run(beforeMs)
  }
}

interface DomainRow {
  readonly trust_domain: string
  readonly shard: number
  readonly epoch: number
  readonly created_at_ms: number
}
