import { createHash } from 'node:crypto'
import { chainHash, emptyChainHash, encodeEvent, type RevocationEvent } from '../../../../src/core/revocation/codec.ts'
import type { SpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { LoadedSet, StreamEvent } from '../../port.ts'
import type { Statements } from '../query.ts'

export interface StreamHead {
  readonly seq: number
  readonly chainHash: Uint8Array
}

/** The revocation stream, chained event by event, and the set that it adds up to. */
export class StreamTable {
  readonly #statements: Statements
  #head: StreamHead | undefined

  constructor(statements: Statements) {
    this.#statements = statements
  }

  head(): StreamHead {
    this.#head ??= this.readHead()
    return this.#head
  }

  /** The durable head, from the file. */
  readHead(): StreamHead {
    const row = this.#statements.query<StreamRow>('SELECT seq, event, chain_hash, at_ms FROM stream ORDER BY seq DESC LIMIT 1').one()
    return row === undefined ? { seq: 0, chainHash: emptyChainHash } : { seq: row.seq, chainHash: row.chain_hash }
  }

  /** A closed prefix has its row among the closed prefixes, which its caller writes. */
  append(event: RevocationEvent, atMs: number): StreamEvent {
    const before = this.head()
    const bytes = encodeEvent(event)
    const next = { seq: before.seq + 1, chainHash: chainHash(before.chainHash, bytes, sha256) }
    this.#statements.query('INSERT INTO stream (seq, event, chain_hash, at_ms) VALUES (?, ?, ?, ?)').run(next.seq, bytes, next.chainHash, atMs)
    if ('shard' in event) {
      this.#statements
        .query('INSERT INTO bits (minute, shard, position, bits) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (minute, shard, position) DO UPDATE SET bits = bits | ?4')
        .run(event.minute, event.shard, event.index, event.kind === 'revoked' ? 2 : 1)
    } else if ('authorityId' in event) {
      this.#statements
        .query('INSERT INTO stream_authorities (id, revoked) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET revoked = max(revoked, ?2)')
        .run(Buffer.from(event.authorityId, 'hex'), event.kind === 'authority_revoked' ? 1 : 0)
    }
    this.#head = next
    return { ...next, event: bytes, atMs }
  }

  after(seq: number, limit: number): StreamEvent[] {
    const rows = this.#statements.query<StreamRow>('SELECT seq, event, chain_hash, at_ms FROM stream WHERE seq > ? ORDER BY seq LIMIT ?').all(seq, limit)
    return rows.map((row) => ({ seq: row.seq, event: row.event, chainHash: row.chain_hash, atMs: row.at_ms }))
  }

  load(fromMinute: number): LoadedSet {
    const buckets: { shard: number; minute: number; superseded: number[]; revoked: number[] }[] = []
    let last: (typeof buckets)[number] | undefined
    for (const row of this.#statements.query<BitRow>('SELECT minute, shard, position, bits FROM bits WHERE minute >= ? ORDER BY minute, shard, position').each(fromMinute)) {
      if (last?.minute !== row.minute || last.shard !== row.shard) {
        last = { shard: row.shard, minute: row.minute, superseded: [], revoked: [] }
        buckets.push(last)
      }
      if ((row.bits & 1) !== 0) last.superseded.push(row.position)
      if ((row.bits & 2) !== 0) last.revoked.push(row.position)
    }
    const authorities = this.#statements.query<{ id: Uint8Array; revoked: number }>('SELECT id, revoked FROM stream_authorities ORDER BY id').all()
    const prefixes = this.#statements.query<{ prefix: SpiffeId; minute: number }>('SELECT prefix, minute FROM closed_prefixes WHERE streamed = 1 AND minute >= ? ORDER BY prefix').all(fromMinute)
    return { ...this.readHead(), buckets, authorities: authorities.map((row) => ({ id: Buffer.from(row.id).toString('hex'), revoked: row.revoked === 1 })), prefixes }
  }

  dropBitsBefore(minute: number): void {
    this.#statements.query('DELETE FROM bits WHERE minute < ?').run(minute)
  }

  /** A new epoch: events are numbered from 1 again. The set stays. */
  startOver(): void {
    this.#statements.query('DELETE FROM stream').run()
    this.#head = { seq: 0, chainHash: emptyChainHash }
  }

  countThrough(seq: number): number {
    return this.#statements.query<{ n: number }>('SELECT count(*) AS n FROM stream WHERE seq <= ?').one(seq)?.n ?? 0
  }

  /** The newest event stays: it is the head. */
  dropThrough(seq: number): void {
    this.#statements.query('DELETE FROM stream WHERE seq <= ? AND seq < (SELECT max(seq) FROM stream)').run(seq)
  }

  restore(head: StreamHead): void {
    this.#head = head
  }
}

interface StreamRow {
  readonly seq: number
  readonly event: Uint8Array
  readonly chain_hash: Uint8Array
  readonly at_ms: number
}

interface BitRow {
  readonly minute: number
  readonly shard: number
  readonly position: number
  readonly bits: number
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
