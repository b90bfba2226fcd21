import type { Grant } from '../../../../src/core/grant/grant.ts'
import { approvedUntilMs } from '../../../../src/core/grant/limits.ts'
import type { Actor } from '../../port.ts'
import type { Tables } from '../tables/tables.ts'
import { move } from './grant-checks.ts'
import { endTrees, type TreeEnd } from './grant-ending.ts'

/** Takes back what a person approved of one grant: what stands on too few approvals then ends. @throws {MayflyError} APPROVAL_INVALID when they had not approved it */
export function withdrawn(tables: Tables, grant: Grant, approver: string, by: Actor): TreeEnd {
  return afterMoves(tables, [move(grant, { kind: 'withdrawn', approver }, by)], '', by)
}

/** The same of each of these that they approved: whoever is registered no more has approved nothing that has not begun. */
export function withdrawApprovals(tables: Tables, grants: readonly Grant[], approver: string, by: Actor): TreeEnd {
  const given = grants.filter(({ approvals }) => approvals.some((approval) => approval.approver === approver && !approval.withdrawn))
  return afterMoves(tables, given.map((grant) => move(grant, { kind: 'withdrawn', approver }, by)), `${approver} is registered no more`, by)
}

function afterMoves(tables: Tables, moves: readonly ReturnType<typeof move>[], detail: string, by: Actor): TreeEnd {
  const unapproved = moves.map(({ grant }) => grant).filter((after) => after.state !== 'pending_approval' && approvedUntilMs(after, by.atMs) <= by.atMs)
  const tree = endTrees(tables, unapproved, { cause: 'approval_withdrawn', detail }, by)
  return { ...tree, records: [...moves.flatMap(({ records }) => records), ...tree.records] }
}
