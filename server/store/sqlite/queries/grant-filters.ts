import type { GrantFilter } from '../../grant-model.ts'
import type { GrantCondition } from '../tables/grants.ts'
import { Conditions } from './filters.ts'

/** Those that can still end. */
export const notEnded = "live = 1 AND state <> 'ending'"

/** @param also a condition written by the code */
export function grantCondition(filter: GrantFilter, also = ''): GrantCondition {
  const conditions = new Conditions()
    .equal('role', filter.role)
    .equal('owner', filter.owner)
    .equal('agent_id', filter.agentId)
    .equal('requester', filter.requester)
    .equal('root_id', filter.rootId)
    .equalText('parent_id', filter.parentId)
  if (filter.states !== undefined && filter.states.length > 0) conditions.add('state IN (SELECT value FROM json_each(?))', JSON.stringify(filter.states))
  if (filter.task !== undefined) conditions.add("asker = ? OR instance = ? OR (parent_id = ? AND parent_id <> '')", filter.task.instance, filter.task.instance, filter.task.parentId)
  // '0' is the character after '/'
  if (filter.workload !== undefined) conditions.add('spiffe_id > ? AND spiffe_id < ?', `${filter.workload}/task/`, `${filter.workload}/task0`)
  if (filter.sinceMs !== undefined) conditions.add('requested_at_ms >= ?', filter.sinceMs)
  if (filter.dueAtMs !== undefined) conditions.add('deadline_ms > 0 AND deadline_ms <= ?', filter.dueAtMs)
  if (also !== '') conditions.add(also)
  return { sql: conditions.sql, values: conditions.values }
}
