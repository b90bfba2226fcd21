import { DatabaseSync } from 'node:sqlite'
import { MayflyError } from '../../../src/core/errors.ts'
import { applicationId, migrations } from './migrations.ts'

export interface DatabaseOptions {
  /** A file, or `:memory:`. */
  readonly path: string
  readonly readOnly: boolean
}

/** Pages of 4 KiB, in KiB: the most that the page cache holds. */
const cacheKib = 8_192
/** The write-ahead log is folded into the file after this many pages. */
export const checkpointPages = 4_096

/**
 * Opens the file for this process alone, at the newest version of its tables. A commit is on the disk when it returns (WAL, synchronous=FULL).
 * @throws {MayflyError} STORE_LOCKED, STORE_NEWER, STORE_CORRUPT, STORE_UNWRITABLE
 */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(options.path, { readOnly: options.readOnly, timeout: 0, enableForeignKeyConstraints: false })
    configure(database, options.readOnly)
    migrate(database, options.readOnly)
    return database
  } catch (error) {
    database?.close()
    throw storeError(error, 'the store could not be opened')
  }
}

/** Gives an empty database in memory the tables, for a replay. */
export function openScratch(): DatabaseSync {
  const database = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false })
  database.exec('PRAGMA temp_store = MEMORY')
  for (const sql of migrations) database.exec(sql)
  return database
}

/** The MayflyError that a failure of SQLite amounts to; others come back as they are. */
export function storeError(error: unknown, what: string): unknown {
  if (error instanceof MayflyError) return error
  const code = sqliteCode(error)
  switch (code === undefined ? undefined : code & 0xff) {
    case undefined:
      return error
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new MayflyError('STORE_LOCKED', `${what}: another process has it`, { cause: error, hint: 'one server per store: stop the other one' })
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new MayflyError('STORE_CORRUPT', `${what}: the file is damaged or no store of mayfly`, { cause: error, hint: 'restore it from a backup' })
    default:
      return new MayflyError('STORE_UNWRITABLE', what, { cause: error, hint: `${error instanceof Error ? error.message : 'no reason is given'}: is the disk full or read-only?` })
  }
}

/** SQLite's extended result code. */
export function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined
}

function configure(database: DatabaseSync, readOnly: boolean): void {
  database.exec(`PRAGMA cache_size = -${cacheKib}; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF`)
  if (!readOnly) {
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages}; PRAGMA journal_size_limit = ${checkpointPages * 4096}`)
    database.exec('BEGIN IMMEDIATE; COMMIT') // takes the lock now, not with the first command
  }
}

function migrate(database: DatabaseSync, readOnly: boolean): void {
  const version = pragma(database, 'user_version')
  const application = pragma(database, 'application_id')
  const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
  if (isEmpty ? version !== 0 : application !== applicationId) throw new MayflyError('STORE_CORRUPT', 'the file is no store of mayfly')
  if (version > migrations.length) {
    throw new MayflyError('STORE_NEWER', `the store is of version ${version}, this mayfly knows ${migrations.length}`, { hint: 'use the mayfly that wrote it, or a newer one' })
  }
  if (version === migrations.length) return
  if (readOnly) throw new MayflyError('STORE_UNWRITABLE', 'the store must be migrated before it can be read', { hint: 'start the server once' })
  database.exec('BEGIN IMMEDIATE')
  try {
    for (const sql of migrations.slice(version)) database.exec(sql)
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}; COMMIT`)
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function pragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name])
}
