import { formatSelector, type Selector } from '../../../../src/core/selector.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { SelectorMatchKind } from '../../port.ts'

/** The conditions of a WHERE, all of which must hold. Texts come from the code, values from the caller. */
export class Conditions {
  readonly #texts: string[] = []
  readonly values: (string | number | Uint8Array)[] = []

  add(text: string, ...values: readonly (string | number | Uint8Array)[]): this {
    this.#texts.push(`(${text})`)
    this.values.push(...values)
    return this
  }

  equal(column: string, value: string | number | boolean | undefined): this {
    return value === undefined ? this : this.add(`${column} = ?`, typeof value === 'boolean' ? Number(value) : value)
  }

  /** For columns whose index leaves the empty text out. */
  equalText(column: string, value: string | undefined): this {
    return value === undefined ? this : this.add(value === '' ? `${column} = ?` : `${column} = ? AND ${column} <> ''`, value)
  }

  get sql(): string {
    return this.#texts.length === 0 ? '1' : this.#texts.join(' AND ')
  }
}

/** A table of (item, owner id) pairs, such as the selectors of entries. */
export interface SetTable {
  readonly table: string
  readonly item: string
  readonly owner: string
  /** The owner's own table and its column that counts its items. */
  readonly of: string
  readonly count: string
}

/**
 * Condition on `id`: how the owner's set of items stands to the wanted one. `exact`: equal; `subset`: within it; `superset`: holds all of it;
 * `any`: holds one of it. As in SPIRE, a set that shares no item matches none of them.
 */
export function matchSet(conditions: Conditions, sets: SetTable, match: SelectorMatchKind, wanted: readonly string[]): void {
  const items = [...new Set(wanted)]
  if (items.length === 0) throw new MayflyError('INVALID_ARGUMENT', 'a filter by a set needs at least one item')
  const list = JSON.stringify(items)
  const shared = `SELECT ${sets.owner} FROM ${sets.table} WHERE ${sets.item} IN (SELECT value FROM json_each(?))`
  const size = `(SELECT ${sets.count} FROM ${sets.of} AS o WHERE o.id = ${sets.owner})`
  switch (match) {
    case 'any':
      conditions.add(`id IN (${shared})`, list)
      return
    case 'superset':
      conditions.add(`id IN (${shared} GROUP BY ${sets.owner} HAVING count(*) = ?)`, list, items.length)
      return
    case 'exact':
      conditions.add(`id IN (${shared} GROUP BY ${sets.owner} HAVING count(*) = ? AND ${size} = ?)`, list, items.length, items.length)
      return
    case 'subset':
      conditions.add(`id IN (${shared} GROUP BY ${sets.owner} HAVING count(*) = ${size})`, list)
      return
    default:
      match satisfies never
  }
}

export function selectorTexts(selectors: readonly Selector[]): string[] {
  return selectors.map(formatSelector)
}
