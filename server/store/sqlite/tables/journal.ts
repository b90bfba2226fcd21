import { journalGenesis, journalHash } from '../../../journal/chain.ts'
import { payloadOf } from '../../../journal/payload.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { Statements } from '../query.ts'

export interface JournalHead {
  readonly seq: number
  readonly hash: Uint8Array
}

/** A record as it stands in the file: `payload` is its {@link payloadOf}. */
export interface JournalRow {
  readonly seq: number
  readonly kind: JournalRecord['kind']
  readonly payload: string
  readonly prev_hash: Uint8Array
}

/** `journal(seq, kind, payload, prev_hash)`: append only, chained. */
export class JournalTable {
  readonly #statements: Statements
  #head: JournalHead | undefined

  constructor(statements: Statements) {
    this.#statements = statements
  }

  head(): JournalHead {
    if (this.#head === undefined) {
      const row = this.#statements.query<JournalRow>('SELECT seq, kind, payload, prev_hash FROM journal ORDER BY seq DESC LIMIT 1').one()
      this.#head = row === undefined ? { seq: 0, hash: journalGenesis } : { seq: row.seq, hash: journalHash(row.seq, row.prev_hash, row.kind, row.payload) }
    }
    return this.#head
  }

  append(record: JournalRecord): AppendedRecord {
    const before = this.head()
    const { kind } = record
    const payload = payloadOf(record)
    const seq = before.seq + 1
    this.#statements.query('INSERT INTO journal (seq, kind, payload, prev_hash) VALUES (?, ?, ?, ?)').run(seq, kind, payload, before.hash)
    this.#head = { seq, hash: journalHash(seq, before.hash, kind, payload) }
    return { seq, kind, payload }
  }

  /** Oldest first. */
  from(seq: number, limit: number): JournalRow[] {
    return this.#statements.query<JournalRow>('SELECT seq, kind, payload, prev_hash FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?').all(seq, limit)
  }

  restore(head: JournalHead): void {
    this.#head = head
  }
}

export type AppendedRecord = Pick<JournalRow, 'seq' | 'kind' | 'payload'>
