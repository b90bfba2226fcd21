import type { AgentFilter } from '../../port.ts'
import type { Read } from '../operations.ts'
import { pageToken, readPage } from '../pages.ts'
import { agentColumns, agentOf, type AgentRow } from '../tables/agents.ts'
import { Conditions, matchSet, selectorTexts } from './filters.ts'

export const agentById: Read<'agents.byId'> = (tables, id) => tables.agents.byId(id)

/** In the order of their ids. */
export const listAgents: Read<'agents.list'> = (tables, filter, page) => {
  const window = readPage('agents', page)
  const conditions = conditionsOf(filter)
  if (window.after !== undefined) conditions.add('id > ?', window.after)
  const rows = tables.statements
    .query<AgentRow>(`SELECT ${agentColumns} FROM agents WHERE ${conditions.sql} ORDER BY id LIMIT ?`)
    .all(...conditions.values, window.size + 1)
  const shown = rows.slice(0, window.size)
  return { items: shown.map(agentOf), ...(rows.length > window.size ? { next: pageToken('agents', shown.at(-1)?.id ?? '') } : {}) }
}

export const countAgents: Read<'agents.count'> = (tables, filter) => {
  const conditions = conditionsOf(filter)
  return tables.statements.query<{ n: number }>(`SELECT count(*) AS n FROM agents WHERE ${conditions.sql}`).one(...conditions.values)?.n ?? 0
}

function conditionsOf(filter: AgentFilter): Conditions {
  const conditions = new Conditions()
    .equal('attestation_type', filter.attestationType)
    .equal('banned', filter.banned)
    .equal('can_reattest', filter.canReattest)
  if (filter.expiresBeforeMs !== undefined) conditions.add('not_after_ms < ?', filter.expiresBeforeMs)
  if (filter.selectors !== undefined) matchSet(conditions, agentSelectors, filter.selectors.match, selectorTexts(filter.selectors.selectors))
  return conditions
}

const agentSelectors = { table: 'agent_selectors', item: 'selector', owner: 'agent_id', of: 'agents', count: 'selector_count' }
