import { hasEnded, type Grant } from '../../../../src/core/grant/grant.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { DecidedMove, PlainMove } from '../../grant-model.ts'
import type { Actor } from '../../port.ts'
import type { Command } from '../operations.ts'
import type { LedgerHit } from '../tables/ledger.ts'
import type { Tables } from '../tables/tables.ts'
import { decision, describe, endRecords, identityRecords, idsOf, revocable } from './ending.ts'
import { activeParent, checkNewGrant, checkOwner, checkTargets, findGrant, findRole, move, type Moved } from './grant-checks.ts'
import { ofGrant } from './grant-ending.ts'
import { checkApprover } from './people.ts'
import { withdrawn } from './withdrawal.ts'

const maxAskedBytes = 65_536
const maxStepsAtOnce = 1_000
const maxDescriptionLength = 200

export const requestGrant: Command<'grants.request'> = (tables, grant, by, decided) => {
  if (tables.grants.byId(grant.id) !== undefined) throw new MayflyError('ALREADY_EXISTS', 'a grant has this ID')
  const role = findRole(tables, grant.role, grant.roleVersion)
  const parent = activeParent(tables, grant)
  checkNewGrant(tables, grant, role, parent)
  checkOwner(tables, grant.owner)
  checkTargets(tables, grant)
  const records: JournalRecord[] = [{ kind: 'grant.requested', grant, by: by.name, atMs: by.atMs }]
  // what is denied at once takes nothing from its parent
  if (parent !== undefined && decided?.move.outcome !== 'denied') records.push(...move(parent, { kind: 'child_added', childId: grant.id, budget: grant.budget }, by).records)
  if (decided !== undefined) records.push(...decide(tables, grant, decided.move, by, decided.asked).records)
  return { records, result: () => findGrant(tables, grant.id) }
}

export const moveGrant: Command<'grants.move'> = (tables, id, ifVersion, next, by, asked) => {
  const grant = findGrant(tables, id, ifVersion)
  const { records, ended, hits } = plainMove(tables, grant, next, by, asked)
  return { records, result: () => ({ grant: findGrant(tables, id), ended, hits: describe(hits), streamSeq: tables.stream.head().seq }) }
}

export const leaseSteps: Command<'grants.lease'> = (tables, id, steps, by) => {
  const grant = findGrant(tables, id)
  activeParentOf(tables, grant)
  const granted = Math.max(1, Math.min(steps, grant.budget.steps - grant.used.steps)) // one at least, which the machine refuses when none is left
  const moved = move(grant, { kind: 'leased', steps: Number.isInteger(steps) && steps >= 1 ? granted : 0 }, by)
  return decision([...moved.records], { steps: granted, grant: moved.grant })
}

export const recordSteps: Command<'grants.recordSteps'> = (tables, given, by) => {
  if (given.length > maxStepsAtOnce) throw new MayflyError('LIMIT_EXCEEDED', `at most ${maxStepsAtOnce} steps are recorded at once`)
  const ours = given.filter(({ grantId }) => {
    const grant = tables.grants.byId(grantId)
    return grant !== undefined && grant.activatedAtMs > 0 && (by.agentId === undefined || grant.agentId === by.agentId)
  })
  const steps = ours.map((step) => ({ ...step, description: step.description.slice(0, maxDescriptionLength), action: step.action.slice(0, 64), resource: step.resource.slice(0, 300) }))
  return decision(steps.length === 0 ? [] : [{ kind: 'steps.recorded', steps, by: by.name, atMs: by.atMs }], steps.length)
}

export const recordDecision: Command<'grants.recordDecision'> = (tables, id, made, asked, by) => {
  findGrant(tables, id)
  return decision([{ kind: 'grant.decided', id, decision: made, asked: boundedAsked(asked), by: by.name, atMs: by.atMs }], undefined)
}

export const pruneGrants: Command<'grants.prune'> = (tables, beforeMs, by) => {
  const dropped = tables.grants.count({ sql: 'live = 0 AND ended_at_ms < ?', values: [beforeMs] })
  return decision(dropped === 0 ? [] : [{ kind: 'grants.pruned', beforeMs, by: by.name, atMs: by.atMs }], dropped)
}

interface PlainMoved {
  readonly records: readonly JournalRecord[]
  readonly ended: readonly string[]
  readonly hits: readonly LedgerHit[]
}

function plainMove(tables: Tables, grant: Grant, next: PlainMove, by: Actor, asked: string | undefined): PlainMoved {
  const nothing = { ended: [], hits: [] }
  switch (next.kind) {
    case 'decided':
      return { ...nothing, records: decide(tables, grant, next, by, asked ?? '').records }
    case 'approved': {
      checkApprover(tables, grant, next.approval.approver)
      if (tables.people.isSpent(next.approval.approver, next.requestHash, next.approval.signature)) throw new MayflyError('APPROVAL_INVALID', 'this signature was used before')
      checkOwner(tables, grant.owner)
      return { ...nothing, records: move(grant, next, by).records }
    }
    case 'denied':
      if (!hasEnded(grant.state)) checkApprover(tables, grant, next.approver, 'denies')
      return { ...nothing, records: move(grant, next, by).records }
    case 'withdrawn':
      return withdrawn(tables, grant, next.approver, by)
    case 'suspended': {
      const hits = tables.ledger.hits(revocable(ofGrant(grant.id), by.atMs))
      return { ended: [], hits, records: [...move(grant, next, by).records, ...identityRecords(tables, idsOf(hits), by), ...endRecords(hits, 'revoked', 'grant_suspended', next.detail, by)] }
    }
    case 'resumed':
      activeParentOf(tables, grant)
      checkOwner(tables, grant.owner)
      checkTargets(tables, grant)
      return { ...nothing, records: move(grant, next, by).records }
    case 'lapsed':
    case 'flagged':
    case 'ended':
      return { ...nothing, records: move(grant, next, by).records }
    default:
      return next satisfies never
  }
}

/** The role's approvals are the least, whatever policy says. */
function decide(tables: Tables, grant: Grant, next: DecidedMove, by: Actor, asked: string): Moved {
  if (next.outcome !== 'denied') {
    const role = findRole(tables, grant.role, grant.roleVersion)
    const needed = next.outcome === 'pending' ? next.approvalsNeeded : 0
    if (needed < role.approvals) throw new MayflyError('APPROVAL_INVALID', `the role wants ${role.approvals} approvals`, { details: { approvals: role.approvals } })
    activeParentOf(tables, grant)
    checkOwner(tables, grant.owner)
  }
  return move(grant, next, by, boundedAsked(asked))
}

/** What has ended says so itself; of what has not, everything above must be active. */
function activeParentOf(tables: Tables, grant: Grant): void {
  if (!hasEnded(grant.state)) activeParent(tables, grant)
}

function boundedAsked(asked: string): string {
  if (Buffer.byteLength(asked) > maxAskedBytes) throw new MayflyError('LIMIT_EXCEEDED', `what policy was asked is over ${maxAskedBytes} bytes`)
  return asked
}
