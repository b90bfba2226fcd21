import type { DatabaseSync } from 'node:sqlite'
import { MayflyError } from '../../../src/core/errors.ts'
import type { Domain, StreamEvent } from '../port.ts'
import { apply } from './apply.ts'
import { DatabaseCopies } from './copy.ts'
import { openDatabase, sqliteCode, storeError, type DatabaseOptions } from './database.ts'
import type { Decision } from './operations.ts'
import type { AppendedRecord } from './tables/journal.ts'
import { Tables } from './tables/tables.ts'
import { verifyJournal } from './verify.ts'

/** Called at each step of a commit, for tests of what happens when it fails or the process dies there. */
export type StepListener = (step: CommitStep) => void
export type CommitStep = 'begin' | 'append' | 'apply' | 'commit' | 'committed' | 'answered'

/** Decides what one transaction writes. */
export type Decide<R> = (tables: Tables) => Decision<R>

export type Outcome<R> = { readonly ok: true; readonly value: R } | { readonly ok: false; readonly error: unknown }

export interface CommitResult<R> {
  /** One for each command, in their order. */
  readonly outcomes: readonly Outcome<R>[]
  readonly records: readonly AppendedRecord[]
  readonly streamEvents: readonly StreamEvent[]
}

/** The database and its group commit. Synchronous: lives in the store's worker. */
export class Engine {
  readonly #options: DatabaseOptions
  readonly #step: StepListener
  readonly #copies: DatabaseCopies
  #database: DatabaseSync
  #tables: Tables
  #commits = 0
  #transactions = 0

  constructor(options: DatabaseOptions, step: StepListener = () => {}) {
    this.#options = options
    this.#step = step
    this.#copies = new DatabaseCopies(options.path)
    this.#database = openDatabase(options)
    this.#tables = new Tables(this.#database)
  }

  /** Reads the domain, or makes it when the store is new. Without a name, whichever it is. @throws {MayflyError} CONFIG_INVALID when the store is another trust domain's */
  openDomain(trustDomain: string | undefined, atMs: number): Domain {
    const existing = this.read((tables) => tables.domain.read())
    if (existing === undefined && trustDomain !== undefined) {
      const record = { kind: 'domain.created', trustDomain, shard: firstShard, epoch: Math.floor(atMs / 1000), atMs } as const
      const { outcomes } = this.commit([() => ({ records: [record], result: () => undefined })])
      for (const outcome of outcomes) if (!outcome.ok) throw outcome.error
    }
    const domain = this.read((tables) => tables.domain.read())
    if (domain === undefined) throw new MayflyError('STORE_CORRUPT', 'the file is no store of a trust domain')
    if (trustDomain !== undefined && domain.trustDomain !== trustDomain) {
      throw new MayflyError('CONFIG_INVALID', `the store belongs to the trust domain ${domain.trustDomain}`, { hint: `configure ${domain.trustDomain}, or another data folder` })
    }
    return domain
  }

  /** Between commits, so that it sees durable state only. */
  read<R>(query: (tables: Tables) => R): R {
    try {
      return query(this.#tables)
    } catch (error) {
      throw storeError(error, 'the store could not be read')
    }
  }

  /** Runs the commands in one transaction with one fsync, each in a savepoint of its own. What cannot be made durable fails them all. */
  commit<R>(commands: readonly Decide<R>[]): CommitResult<R> {
    const mark = this.#tables.mark()
    try {
      this.#step('begin')
      this.#database.exec('BEGIN IMMEDIATE')
      const parts = this.#runAll(commands, mark)
      this.#step('commit')
      this.#database.exec('COMMIT')
      this.#step('committed')
      this.#commits += 1
      this.#transactions += commands.length
      return { outcomes: parts.map((part) => part.outcome), records: parts.flatMap((part) => part.records), streamEvents: parts.flatMap((part) => part.streamEvents) }
    } catch (error) {
      this.#rollBack(mark)
      const failure = storeError(error, 'the change could not be written: nothing of it was done')
      return { outcomes: commands.map(() => ({ ok: false, error: failure })), records: [], streamEvents: [] }
    }
  }

  /** A durable write that changes nothing. @throws {MayflyError} STORE_UNWRITABLE */
  probe(): void {
    try {
      this.#tables.domain.touch()
      this.#commits += 1
    } catch (error) {
      throw storeError(error, 'the store takes no changes')
    }
  }

  /** To be driven between commits, a step at a time. */
  verify(): Generator<void, { readonly records: number }> {
    return verifyJournal(this.#database, this.#tables)
  }

  figures(): { readonly commits: number; readonly transactions: number; readonly fileBytes: number } {
    const size = this.#tables.statements.query<{ n: number }>('SELECT page_count * page_size AS n FROM pragma_page_count, pragma_page_size').one()
    return { commits: this.#commits, transactions: this.#transactions, fileBytes: size?.n ?? 0 }
  }

  /** All that is committed now; other calls are taken meanwhile. @throws {MayflyError} ALREADY_EXISTS, STORE_UNWRITABLE, SHUTTING_DOWN */
  async copyTo(path: string): Promise<void> {
    await this.#copies.copyTo(path, this.#database)
  }

  close(): void {
    this.#database.close()
    this.#copies.end()
  }

  /** Hardly ever does a command fail once it has begun to write. So none is guarded by a savepoint of its own until one did: then all are undone and run once more, each guarded. */
  #runAll<R>(commands: readonly Decide<R>[], mark: ReturnType<Tables['mark']>): Part<R>[] {
    try {
      return commands.map((decide) => this.#run(decide, false))
    } catch (error) {
      if (!(error instanceof HalfWritten)) throw error
      this.#database.exec('ROLLBACK; BEGIN IMMEDIATE')
      this.#tables.restore(mark)
      return commands.map((decide) => this.#run(decide, true))
    }
  }

  /** @throws {HalfWritten} when the command failed after it began to write and was not guarded */
  #run<R>(decide: Decide<R>, guarded: boolean): Part<R> {
    const mark = this.#tables.mark()
    const records: AppendedRecord[] = []
    const streamEvents: StreamEvent[] = []
    let decision: Decision<R>
    try {
      decision = decide(this.#tables)
    } catch (error) {
      if (sqliteCode(error) !== undefined) throw error
      return { outcome: { ok: false, error }, records, streamEvents } // nothing was written yet
    }
    if (decision.records.length === 0) return { outcome: { ok: true, value: decision.result() }, records, streamEvents }
    if (this.#options.readOnly) throw new MayflyError('STORE_UNWRITABLE', 'the store was opened for reading only')
    if (guarded) this.#database.exec('SAVEPOINT command')
    try {
      for (const record of decision.records) {
        this.#step('append')
        records.push(this.#tables.journal.append(record))
        this.#step('apply')
        streamEvents.push(...apply(this.#tables, record))
      }
      if (guarded) this.#database.exec('RELEASE command')
      return { outcome: { ok: true, value: decision.result() }, records, streamEvents }
    } catch (error) {
      if (sqliteCode(error) !== undefined && !isConstraint(error)) throw error
      if (!guarded) throw new HalfWritten()
      this.#database.exec('ROLLBACK TO command; RELEASE command')
      this.#tables.restore(mark)
      return { outcome: { ok: false, error }, records: [], streamEvents: [] }
    }
  }

  /** Undoes the whole transaction; a connection that cannot even do that is opened anew. */
  #rollBack(mark: ReturnType<Tables['mark']>): void {
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      this.#tables.restore(mark)
    } catch {
      this.#database.close()
      this.#database = openDatabase(this.#options)
      this.#tables = new Tables(this.#database)
    }
  }
}

/** What one command of a transaction did. */
interface Part<R> {
  readonly outcome: Outcome<R>
  readonly records: readonly AppendedRecord[]
  readonly streamEvents: readonly StreamEvent[]
}

class HalfWritten extends Error {}

/** Shards are leased when several servers share a store; a store of one server is the first. */
const firstShard = 1
const sqliteConstraint = 19

function isConstraint(error: unknown): boolean {
  return ((sqliteCode(error) ?? 0) & 0xff) === sqliteConstraint
}
