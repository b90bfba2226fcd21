import type { Grant, GrantRole } from '../../src/core/grant/grant.ts'
import type { Notice } from '../approvals/notify.ts'
import type { WaitingStep } from '../approvals/step-approvals.ts'

/** What people are told of a request that waits for them. */
export function noticeOfRequest(grant: Grant, role: GrantRole): Notice {
  const { id, intent, lapsesAtMs } = grant
  return { ...commonOf(grant, role), id, actions: intent.actions, resources: intent.resources, lapses_at: new Date(lapsesAtMs).toISOString(), how: `mayfly approve ${id}` }
}

/** What people are told of a step that waits for them. */
export function noticeOfStep({ id, grant, action, resource, lapsesAtMs }: WaitingStep, role: GrantRole): Notice {
  return { ...commonOf(grant, role), id, actions: [action], resources: [resource], lapses_at: new Date(lapsesAtMs).toISOString(), how: `mayfly approve ${id}` }
}

function commonOf({ id, spiffeId, owner, requester, intent }: Grant, role: GrantRole): Omit<Notice, 'id' | 'actions' | 'resources' | 'lapses_at' | 'how'> {
  return { event: 'approval.wanted', grant: id, spiffe_id: spiffeId, role: role.name, owner, requester, reason: intent.reason, ticket: intent.ticket, approvers: role.approvers }
}
