import type { Entry } from '../../../../src/core/entry.ts'
import type { EntryFilter, PageOf } from '../../port.ts'
import type { Read } from '../operations.ts'
import { pageToken, readPage } from '../pages.ts'
import { entriesJson, type EntryRow } from '../tables/entries.ts'
import { Conditions, matchSet, selectorTexts } from './filters.ts'

export const entryById: Read<'entries.byId'> = (tables, id) => tables.entries.byId(id)

/** In the order of their ids. */
export const listEntries: Read<'entries.list'> = (tables, filter, page) => {
  const window = readPage('entries', page)
  const conditions = conditionsOf(filter)
  if (window.after !== undefined) conditions.add('id > ?', window.after)
  const rows = tables.statements
    .query<EntryRow>(`SELECT id, disabled, body FROM entries WHERE ${conditions.sql} ORDER BY id LIMIT ?`)
    .all(...conditions.values, window.size + 1)
  const shown = rows.slice(0, window.size)
  return entriesJson<PageOf<Entry>>(shown, rows.length > window.size ? pageToken('entries', shown.at(-1)?.id ?? '') : undefined)
}

export const countEntries: Read<'entries.count'> = (tables, filter) => {
  const conditions = conditionsOf(filter)
  return tables.statements.query<{ n: number }>(`SELECT count(*) AS n FROM entries WHERE ${conditions.sql}`).one(...conditions.values)?.n ?? 0
}

function conditionsOf(filter: EntryFilter): Conditions {
  const conditions = new Conditions()
    .equal('spiffe_id', filter.spiffeId)
    .equal('parent_id', filter.parentId)
    .equalText('hint', filter.hint)
    .equal('downstream', filter.downstream)
    .equalText('owner', filter.owner)
    .equal('disabled', filter.disabled)
  if (filter.selectors !== undefined) {
    matchSet(conditions, entrySelectors, filter.selectors.match, selectorTexts(filter.selectors.selectors))
  }
  if (filter.federatesWith !== undefined) matchSet(conditions, entryFederates, filter.federatesWith.match, filter.federatesWith.trustDomains)
  return conditions
}

const entrySelectors = { table: 'entry_selectors', item: 'selector', owner: 'entry_id', of: 'entries', count: 'selector_count' }
const entryFederates = { table: 'entry_federates', item: 'trust_domain', owner: 'entry_id', of: 'entries', count: 'federates_count' }
