import { parseTrustDomain } from '../../../../src/core/spiffe-id.ts'
import type { Domain, RolledBack, SeenHead } from '../../port.ts'
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

  /** Of the trust domain. */
  name(): string | undefined {
    return this.#statements.query<{ name: string }>('SELECT trust_domain AS name FROM domain').one()?.name
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

  rolledBack(): RolledBack | undefined {
    const row = this.#statements.query<SeenRow>('SELECT seen_epoch, seen_seq, seen_chain_hash, seen_by, seen_at_ms FROM domain WHERE seen_epoch > 0').one()
    return row === undefined ? undefined : { epoch: row.seen_epoch, seq: row.seen_seq, chainHash: row.seen_chain_hash, by: row.seen_by, atMs: row.seen_at_ms }
  }

  noteRolledBack({ epoch, seq, chainHash }: SeenHead, by: string, atMs: number): void {
    this.#statements.query('UPDATE domain SET seen_epoch = ?, seen_seq = ?, seen_chain_hash = ?, seen_by = ?, seen_at_ms = ?').run(epoch, seq, chainHash, by, atMs)
  }

  /** The bundle's sequence leaps to the epoch, which is above what the time that is lost can have raised it to. */
  restore(epoch: number, shard: number): void {
    this.#statements
      .query("UPDATE domain SET epoch = ?1, shard = ?2, bundle_sequence = max(bundle_sequence, ?1), seen_epoch = 0, seen_seq = 0, seen_chain_hash = '', seen_by = '', seen_at_ms = 0")
      .run(epoch, shard)
  }

  retireShard(shard: number, freeAtMs: number): void {
    this.#statements.query('INSERT INTO past_shards (shard, free_at_ms) VALUES (?1, ?2) ON CONFLICT (shard) DO UPDATE SET free_at_ms = max(free_at_ms, ?2)').run(shard, freeAtMs)
  }

  /** 0 for one that no earlier epoch had. */
  shardFreeAtMs(shard: number): number {
    return this.#statements.query<{ n: number }>('SELECT free_at_ms AS n FROM past_shards WHERE shard = ?').one(shard)?.n ?? 0
  }

  /** No serial may be given out any more for what ends before this. */
  prunedBeforeMs(): number {
    return this.#statements.query<{ n: number }>('SELECT pruned_before_ms AS n FROM domain').one()?.n ?? 0
  }

  notePruned(beforeMs: number): void {
    this.#statements.query('UPDATE domain SET pruned_before_ms = max(pruned_before_ms, ?)').run(beforeMs)
  }
}

interface SeenRow {
  readonly seen_epoch: number
  readonly seen_seq: number
  readonly seen_chain_hash: string
  readonly seen_by: string
  readonly seen_at_ms: number
}

interface DomainRow {
  readonly trust_domain: string
  readonly shard: number
  readonly epoch: number
  readonly created_at_ms: number
}
