import type { DatabaseSync } from 'node:sqlite'
import { MayflyError } from '../../../src/core/errors.ts'
import { journalGenesis, journalHash } from '../../journal/chain.ts'
import { recordOf } from '../../journal/payload.ts'
import { apply } from './apply.ts'
import { openScratch } from './database.ts'
import { Tables } from './tables/tables.ts'

/** Some ten milliseconds' worth. */
const recordsAtOnce = 100

/**
 * Checks the chain, replays every record into an empty store and compares every projection, row by row. Pauses between records, so that the store can
 * go on meanwhile: what is appended then is replayed too. The comparison at the end is done in one piece.
 * @throws {MayflyError} STORE_CORRUPT
 */
export function* verifyJournal(database: DatabaseSync, tables: Tables): Generator<void, { readonly records: number }> {
  const scratch = openScratch()
  try {
    const replayed = new Tables(scratch)
    const records = yield* replay(tables, replayed)
    for (const table of projections(database)) compare(table, database, scratch)
    return { records }
  } finally {
    scratch.close()
  }
}

function* replay(tables: Tables, into: Tables): Generator<void, number> {
  let seq = 0
  let hash = journalGenesis
  for (;;) {
    const rows = tables.journal.from(seq + 1, recordsAtOnce)
    for (const row of rows) {
      if (row.seq !== seq + 1) throw corrupt(`the journal has a gap after record ${seq}`)
      if (Buffer.compare(row.prev_hash, hash) !== 0) throw corrupt(`the journal's chain is broken at record ${row.seq}`)
      hash = journalHash(row.seq, row.prev_hash, row.kind, row.payload)
      seq = row.seq
      apply(into, recordOf(row))
    }
    if (rows.length < recordsAtOnce) break
    yield
  }
  const head = tables.journal.head()
  if (head.seq !== seq || Buffer.compare(head.hash, hash) !== 0) throw corrupt('the journal does not end where it should')
  return seq
}

/** All tables but the journal. */
function projections(database: DatabaseSync): string[] {
  const rows = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'journal' ORDER BY name").all()
  return rows.map((row) => String(row['name']))
}

function compare(table: string, left: DatabaseSync, right: DatabaseSync): void {
  const key = left.prepare("SELECT group_concat(name, ', ') AS columns FROM (SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk)").get(table)
  const sql = `SELECT * FROM ${table} ORDER BY ${String(key?.['columns'])}`
  const others = right.prepare(sql).iterate()
  let row = 0
  for (const mine of left.prepare(sql).iterate()) {
    row += 1
    const other = others.next()
    if (other.done === true || !sameRow(mine, other.value)) throw corrupt(`row ${row} of the table ${table} is not what the journal says`)
  }
  if (others.next().done !== true) throw corrupt(`the table ${table} lacks rows that the journal says`)
}

function sameRow(left: Readonly<Record<string, unknown>>, right: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(left).every(([column, value]) => {
    const other = right[column]
    return value instanceof Uint8Array && other instanceof Uint8Array ? Buffer.compare(value, other) === 0 : value === other
  })
}

function corrupt(what: string): MayflyError {
  return new MayflyError('STORE_CORRUPT', what, { hint: 'restore the store from a backup' })
}
