import type { Grant } from '../../../../src/core/grant/grant.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { TakenStep } from '../../grant-model.ts'
import type { Page, PageOf } from '../../port.ts'
import { Json } from '../json.ts'
import type { Read } from '../operations.ts'
import { pageToken, readPage } from '../pages.ts'
import type { GrantCondition, GrantRow } from '../tables/grants.ts'
import type { Tables } from '../tables/tables.ts'
import { grantCondition } from './grant-filters.ts'

export const listGrants: Read<'grants.list'> = (tables, filter, page) => grantPage(tables, grantCondition(filter), page)

export const liveGrants: Read<'grants.live'> = (tables, page) => grantPage(tables, { sql: 'live = 1', values: [] }, page)

export const countGrants: Read<'grants.count'> = (tables, filter) => tables.grants.count(grantCondition(filter))

export const grantSteps: Read<'grants.steps'> = (tables, id, page) => {
  const window = readPage('steps', page)
  const rows = tables.grants.steps(id, numberOf(window.after), window.size + 1)
  const shown = rows.slice(0, window.size)
  return new Json<PageOf<TakenStep>>(pageJson(shown.map(({ body }) => body), rows.length > window.size ? pageToken('steps', String(shown.at(-1)?.seq)) : undefined))
}

export const decisionsSince: Read<'grants.decisionsSince'> = (tables, sinceMs, page) => {
  const window = readPage('decisions', page)
  const found = tables.grants.decisionsSince(sinceMs, numberOf(window.after), window.size + 1)
  const shown = found.slice(0, window.size)
  return { items: shown.map(({ decision }) => decision), ...(found.length > window.size ? { next: pageToken('decisions', String(shown.at(-1)?.seq)) } : {}) }
}

/** In the order of their IDs, as JSON text. */
function grantPage(tables: Tables, condition: GrantCondition, page: Page): Json<PageOf<Grant>> {
  const window = readPage('grants', page)
  const after = window.after === undefined ? condition : { sql: `${condition.sql} AND id > ?`, values: [...condition.values, window.after] }
  const rows: readonly GrantRow[] = tables.grants.rows(after, window.size + 1)
  const shown = rows.slice(0, window.size)
  return new Json(pageJson(shown.map(({ body }) => body), rows.length > window.size ? pageToken('grants', shown.at(-1)?.id ?? '') : undefined))
}

function pageJson(items: readonly string[], next: string | undefined): string {
  return `{"items":[${items.join(',')}]${next === undefined ? '' : `,"next":${JSON.stringify(next)}`}}`
}

function numberOf(after: string | undefined): number {
  const number = Number(after ?? 0)
  if (!Number.isSafeInteger(number)) throw new MayflyError('PAGE_TOKEN_INVALID', 'not a page token of this list')
  return number
}
