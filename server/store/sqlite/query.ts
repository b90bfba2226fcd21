import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** One prepared statement whose rows have the type that its author states. */
export class Query<Row extends object> {
  readonly #statement: StatementSync

  constructor(database: DatabaseSync, sql: string) {
    this.#statement = database.prepare(sql)
  }

  one(...values: readonly SQLInputValue[]): Row | undefined {
    return this.#statement.get(...values) as Row | undefined // STRICT tables: the columns have the types that the statement's author states
  }

  all(...values: readonly SQLInputValue[]): Row[] {
    return this.#statement.all(...values) as Row[] // as above
  }

  each(...values: readonly SQLInputValue[]): IterableIterator<Row> {
    return this.#statement.iterate(...values) as IterableIterator<Row> // as above
  }

  /** How many rows it changed. */
  run(...values: readonly SQLInputValue[]): number {
    return Number(this.#statement.run(...values).changes)
  }
}

/** Statements by their text, prepared when first used. */
export class Statements {
  readonly #database: DatabaseSync
  readonly #queries = new Map<string, Query<object>>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  query<Row extends object = never>(sql: string): Query<Row> {
    let query = this.#queries.get(sql)
    if (query === undefined) {
      query = new Query(this.#database, sql)
      if (this.#queries.size >= maxStatements) this.#queries.clear()
      this.#queries.set(sql, query)
    }
    return query as unknown as Query<Row> // a statement's text decides the type of its rows
  }
}

/** Filters make many texts; beyond this the cache starts anew. */
const maxStatements = 256
