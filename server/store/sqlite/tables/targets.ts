import { parseSpiffeId } from '../../../../src/core/spiffe-id.ts'
import type { DisabledTarget, LastingTarget, UnfinishedEnd } from '../../port.ts'
import type { Statements } from '../query.ts'

/** Disabled targets, in the file and, as they are few and asked for with every credential, in memory. */
export class TargetTable {
  readonly #statements: Statements
  #listed: Set<string> | undefined
  #ending: Set<string> | undefined

  constructor(statements: Statements) {
    this.#statements = statements
  }

  /** Somebody disabled it, or what it had is still ending. */
  isDisabled(kind: LastingTarget['kind'], name: string): boolean {
    this.#ending ??= new Set(this.#unfinishedRows().map((row) => `${row.kind} ${row.name}`))
    return this.isListed(kind, name) || (this.#ending.size > 0 && this.#ending.has(`${kind} ${name}`))
  }

  /** Somebody disabled it, and nobody enabled it since. */
  isListed(kind: LastingTarget['kind'], name: string): boolean {
    this.#listed ??= new Set(this.#rows().map((row) => `${row.kind} ${row.name}`))
    return this.#listed.size > 0 && this.#listed.has(`${kind} ${name}`) // none at all: not even the text is made
  }

  disable(target: LastingTarget, reason: string, by: string, atMs: number): void {
    this.#statements
      .query('INSERT INTO disabled_targets (kind, name, reason, by, at_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO NOTHING')
      .run(target.kind, nameOf(target), reason, by, atMs)
    this.forget()
  }

  enable(target: LastingTarget): void {
    this.#statements.query('DELETE FROM disabled_targets WHERE kind = ? AND name = ?').run(target.kind, nameOf(target))
    this.forget()
  }

  all(): DisabledTarget[] {
    return this.#rows().map((row) => ({ target: targetOf(row.kind, row.name), reason: row.reason, by: row.by, atMs: row.at_ms }))
  }

  /** What is left to end of it follows. */
  begin({ target, cause, reason, by, atMs }: UnfinishedEnd): void {
    this.#statements.query('INSERT INTO unfinished_ends (kind, name, cause, reason, by, at_ms) VALUES (?, ?, ?, ?, ?, ?)').run(target.kind, nameOf(target), cause, reason, by, atMs)
    this.forget()
  }

  finish(target: LastingTarget): void {
    this.#statements.query('DELETE FROM unfinished_ends WHERE kind = ? AND name = ?').run(target.kind, nameOf(target))
    this.forget()
  }

  unfinished(): UnfinishedEnd[] {
    return this.#unfinishedRows().map((row) => ({ target: targetOf(row.kind, row.name), cause: row.cause, reason: row.reason, by: row.by, atMs: row.at_ms }))
  }

  unfinishedOf(target: LastingTarget): UnfinishedEnd | undefined {
    return this.unfinished().find((end) => end.target.kind === target.kind && nameOf(end.target) === nameOf(target))
  }

  forget(): void {
    this.#listed = undefined
    this.#ending = undefined
  }

  #rows(): TargetRow[] {
    return this.#statements.query<TargetRow>('SELECT kind, name, reason, by, at_ms FROM disabled_targets ORDER BY kind, name').all()
  }

  #unfinishedRows(): UnfinishedRow[] {
    return this.#statements.query<UnfinishedRow>('SELECT kind, name, cause, reason, by, at_ms FROM unfinished_ends ORDER BY kind, name').all()
  }
}

export function nameOf(target: LastingTarget): string {
  switch (target.kind) {
    case 'id':
    case 'agent':
      return target.id
    case 'entry':
      return target.entryId
    case 'owner':
      return target.owner
    default:
      return target satisfies never
  }
}

function targetOf(kind: LastingTarget['kind'], name: string): LastingTarget {
  switch (kind) {
    case 'id':
    case 'agent':
      return { kind, id: parseSpiffeId(name) }
    case 'entry':
      return { kind, entryId: name }
    case 'owner':
      return { kind, owner: name }
    default:
      return kind satisfies never
  }
}

interface TargetRow {
  readonly kind: LastingTarget['kind']
  readonly name: string
  readonly reason: string
  readonly by: string
  readonly at_ms: number
}

interface UnfinishedRow extends TargetRow {
  readonly cause: UnfinishedEnd['cause']
}
