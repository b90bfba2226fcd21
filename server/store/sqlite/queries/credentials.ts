import { formatSerial, parseSerial } from '../../../../src/core/serial.ts'
import type { CredentialFilter } from '../../port.ts'
import type { Read } from '../operations.ts'
import { pageToken, readPage } from '../pages.ts'
import { ofSpiffeId } from '../tables/ledger.ts'
import type { Tables } from '../tables/tables.ts'
import { Conditions } from './filters.ts'

export const credentialBySerial: Read<'credentials.bySerial'> = (tables, serial) => tables.ledger.bySerial(formatSerial(parseSerial(serial)))

export const credentialsBySerials: Read<'credentials.bySerials'> = (tables, serials) =>
  serials.flatMap((serial) => {
    const found = tables.ledger.bySerial(formatSerial(parseSerial(serial)))
    return found === undefined ? [] : [found]
  })

/** In the order of their serials. */
export const listCredentials: Read<'credentials.list'> = (tables, filter, page) => {
  const window = readPage('credentials', page)
  const conditions = conditionsOf(tables, filter)
  if (window.after !== undefined) conditions.add('serial > ?', Buffer.from(window.after, 'hex'))
  const found = tables.ledger.list({ sql: conditions.sql, values: conditions.values }, window.size + 1)
  const items = found.slice(0, window.size)
  return { items, ...(found.length > window.size ? { next: pageToken('credentials', items.at(-1)?.serial ?? '') } : {}) }
}

export const countCredentials: Read<'credentials.count'> = (tables, filter) => {
  const conditions = conditionsOf(tables, filter)
  return tables.ledger.count({ sql: conditions.sql, values: conditions.values })
}

/** Written so that each is found through its index: of entries, of agents, of IDs without an entry. */
const laterThanIt = `later.kind = ledger.kind AND later.issued_at_ms >= ledger.issued_at_ms AND later.authority_id <> ledger.authority_id AND later.state = 'released'`
const notReplaced = `NOT (kind = 'workload' AND EXISTS (SELECT 1 FROM ledger AS later WHERE later.entry_id = ledger.entry_id AND later.agent_id = ledger.agent_id AND ${laterThanIt}))
  AND NOT (kind = 'agent' AND EXISTS (SELECT 1 FROM ledger AS later WHERE later.agent_id = ledger.agent_id AND ${laterThanIt}))
  AND NOT (kind = 'server' AND EXISTS (SELECT 1 FROM ledger AS later WHERE later.entry_id IS NULL AND later.spiffe_id = ledger.spiffe_id AND ${laterThanIt}))`

function conditionsOf(tables: Tables, filter: CredentialFilter): Conditions {
  const conditions = new Conditions()
    .equal('entry_id', filter.entryId)
    .equal('agent_id', filter.agentId)
    .equalText('owner', filter.owner)
    .equal('grant_id', filter.grantId)
    .equal('root_grant_id', filter.rootGrantId)
  if (filter.authorityId !== undefined) conditions.add('authority_id = ?', Buffer.from(filter.authorityId, 'hex'))
  if (filter.spiffeId !== undefined) {
    const { sql, values } = ofSpiffeId(filter.spiffeId)
    conditions.add(sql, ...values)
  }
  if (filter.notReplaced === true) conditions.add(notReplaced)
  if (filter.endedNotAfterMs !== undefined) conditions.add("state IN ('revoked', 'superseded')").add(...endsAfter(tables, filter.endedNotAfterMs))
  if (filter.liveAtMs !== undefined) conditions.add("state = 'released'").add(...endsAfter(tables, filter.liveAtMs))
  return conditions
}

function endsAfter(tables: Tables, ms: number): [sql: string, ...values: (string | number | Uint8Array)[]] {
  const { sql, values } = tables.ledger.endingAfter(ms)
  return [sql, ...values]
}
