import { advance } from '../../../src/core/grant/machine.ts'
import type { GrantRecord } from '../../journal/grant-records.ts'
import type { Tables } from './tables/tables.ts'

/** Moves the projections of grants by one record; none of them adds to the revocation stream: what ends with a grant has records of its own. */
export function applyGrants(tables: Tables, record: GrantRecord): void {
  switch (record.kind) {
    case 'grant.requested':
      return tables.grants.insert(record.grant)
    case 'grant.moved':
      return moved(tables, record)
    case 'grant.decided':
      return tables.grants.addDecision(record.id, record.decision, record.asked)
    case 'grants.pruned':
      return tables.grants.dropBefore(record.beforeMs)
    case 'steps.recorded':
      for (const step of record.steps) tables.grants.addStep(step)
      return
    case 'role.put':
      return tables.roles.put(record.role)
    case 'role.deleted':
      return tables.roles.delete(record.name)
    case 'owner.put':
      return tables.owners.put(record.name, record.contact)
    case 'owner.removed':
      return tables.owners.remove(record.name)
    case 'owner.transferred':
      return tables.ledger.transferOwner(record.from, record.to)
    case 'person.put':
      return tables.people.put(record.person)
    case 'person.removed':
      return tables.people.remove(record.name)
    case 'signature.spent':
      return tables.people.spend(record.approver, record.signedHash, record.signature)
    case 'policy.applied': {
      const { kind: _kind, ...policy } = record
      return tables.policies.add(policy)
    }
    case 'exception.put':
      return tables.policies.putException(record.exception)
    case 'exception.removed':
      return tables.policies.removeException(record.id)
    default:
      return record satisfies never
  }
}

function moved(tables: Tables, { id, version, move, asked, atMs }: Extract<GrantRecord, { kind: 'grant.moved' }>): void {
  const before = tables.grants.byId(id)
  const result = before === undefined ? undefined : advance(before, move, atMs)
  if (before === undefined || result?.kind !== 'moved' || result.grant.version !== version) throw new Error('the journal holds a move of a grant that cannot be') // commands wrote what advance() allowed
  tables.grants.update(before, result.grant)
  if ('decision' in move) tables.grants.addDecision(id, move.decision, asked ?? '')
  if (move.kind === 'approved') tables.people.spend(move.approval.approver, move.requestHash, move.approval.signature)
}
