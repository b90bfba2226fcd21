import type { GrantRecord } from '../journal/grant-records.ts'

const maxNamed = 100

/** What a person wants to see of a record of grants: who and what; no signature, no policy text. */
export function grantFieldsOf(record: GrantRecord): Readonly<Record<string, unknown>> {
  switch (record.kind) {
    case 'grant.requested': {
      const { id, spiffeId, role, owner, requester, parentId, intent, flags } = record.grant
      return { grantId: id, spiffeId, role, owner, requester, ...(parentId === '' ? {} : { parentId }), actions: intent.actions, resources: intent.resources, reason: intent.reason, flags }
    }
    case 'grant.moved':
      return { grantId: record.id, version: record.version, by: record.by, move: record.move.kind === 'approved' ? { kind: 'approved', approver: record.move.approval.approver } : record.move }
    case 'grant.decided':
      return { grantId: record.id, by: record.by, decision: record.decision }
    case 'grants.pruned':
      return { beforeMs: record.beforeMs }
    case 'steps.recorded':
      return { count: record.steps.length, steps: record.steps.slice(0, maxNamed) }
    case 'role.put':
      return { role: record.role.name, version: record.role.version, owner: record.role.owner, by: record.by }
    case 'role.deleted':
    case 'owner.removed':
    case 'person.removed':
      return { name: record.name, by: record.by }
    case 'owner.put':
      return { name: record.name, contact: record.contact, by: record.by }
    case 'owner.transferred':
      return { from: record.from, to: record.to, by: record.by }
    case 'person.put':
      return { name: record.person.name, owners: record.person.owners, roles: record.person.roles, by: record.by }
    case 'signature.spent':
      return { approver: record.approver, signedHash: record.signedHash, by: record.by }
    case 'policy.applied':
      return { version: record.version, policyHash: record.hash, policies: Object.keys(record.policies), reason: record.reason, by: record.by }
    case 'exception.put':
      return { ...record.exception, by: record.by }
    case 'exception.removed':
      return { id: record.id, by: record.by }
    default:
      return record satisfies never
  }
}
