import { hasEnded, type Decision as Decided, type Grant, type GrantRole } from '../../../../src/core/grant/grant.ts'
import { coverage } from '../../../../src/core/grant/intent.ts'
import { approvedUntilMs, deadlineMs, latestNotAfterMs } from '../../../../src/core/grant/limits.ts'
import type { GrantMove } from '../../../../src/core/grant/machine.ts'
import { isStrongEnough } from '../../../../src/core/grant/role.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { GrantIssue, GrantIssued } from '../../grant-model.ts'
import type { Actor } from '../../port.ts'
import type { Command, Decision } from '../operations.ts'
import type { Tables } from '../tables/tables.ts'
import { Plan } from './credentials.ts'
import { endRecords, live, toHex } from './ending.ts'
import { activeParent, checkOwner, checkTargets, findGrant, findRole, move } from './grant-checks.ts'
import { ofGrant } from './grant-ending.ts'

export const activateGrant: Command<'grants.activate'> = (tables, id, activation, by) => {
  const { instance, binding, tier, decision } = activation
  const grant = findGrant(tables, id, activation.ifVersion)
  refuseOutOfPlace(grant, { kind: 'activated', instance, binding, tier, serial: '', notAfterMs: 0, decision }, 'approved', by)
  const role = findRole(tables, grant.role, grant.roleVersion)
  if (!isStrongEnough(tier, role.minTier)) throw new MayflyError('BINDING_TOO_WEAK', `the role ${role.name} wants a binding of tier ${role.minTier}, not ${tier}`)
  const parent = activeParent(tables, grant)
  const parentDeadline = parent === undefined ? {} : { parentDeadlineMs: parent.deadlineMs }
  const limitMs = notAfterLimit(tables, grant, role, deadlineMs(grant, by.atMs, parent?.deadlineMs), activation, by)
  return issue(tables, grant, activation, limitMs, by, (serial, notAfterMs) => ({ kind: 'activated', instance, binding, tier, serial, notAfterMs, ...parentDeadline, decision }))
}

export const renewGrant: Command<'grants.renew'> = (tables, id, renewal, by) => {
  const grant = findGrant(tables, id, renewal.ifVersion)
  refuseOutOfPlace(grant, { kind: 'renewed', serial: '', notAfterMs: 0, decision: renewal.decision }, 'active', by)
  const role = findRole(tables, grant.role)
  const covered = coverage(role.intents, grant.intent)
  if (covered.kind === 'outside') throw new MayflyError('INTENT_OUTSIDE_ROLE', `the role ${role.name} no longer allows ${covered.action} on ${covered.resource}`)
  if (grant.tier !== '' && !isStrongEnough(grant.tier, role.minTier)) throw new MayflyError('BINDING_TOO_WEAK', `the role ${role.name} wants a binding of tier ${role.minTier} by now`)
  activeParent(tables, grant)
  const limitMs = notAfterLimit(tables, grant, role, grant.deadlineMs, renewal, by)
  return issue(tables, grant, renewal, limitMs, by, (serial, notAfterMs) => ({ kind: 'renewed', serial, notAfterMs, decision: renewal.decision }))
}

/** Reserves, supersedes what was live before, and moves the grant, all or nothing: an end that was written before this refuses it (invariant 8), and so does another policy. */
function issue(tables: Tables, grant: Grant, { credential, asked, decision }: GrantIssue, limitMs: number, by: Actor, moveOf: (serial: string, notAfterMs: number) => GrantMove): Decision<GrantIssued> {
  checkPolicy(tables, decision)
  checkOwner(tables, grant.owner)
  checkTargets(tables, grant)
  const { kind, spiffeId, agentId, owner, notAfterMs } = credential
  if (kind !== 'grant' || spiffeId !== grant.spiffeId || agentId !== grant.agentId || owner !== grant.owner) throw new MayflyError('INVALID_ARGUMENT', 'the credential is not of this grant')
  if (notAfterMs > limitMs) throw new MayflyError('TTL_TOO_LONG', 'the credential would outlive what it stands on', { details: { notAfterMs, limitMs } })
  const plan = new Plan(tables, by.atMs)
  const { random, ...request } = credential
  const serial = plan.add(request, random)
  if (!(serial instanceof Uint8Array)) throw new MayflyError(serial.code, serial.message)
  const before = tables.ledger.hits(live(ofGrant(grant.id), by.atMs))
  const moved = move(grant, moveOf(toHex(serial), notAfterMs), by, asked)
  return {
    records: [{ kind: 'credentials.reserved', credentials: plan.reserved, atMs: by.atMs }, ...endRecords(before, 'superseded', 'rotated', '', by), ...moved.records],
    result: () => ({ serial, grant: moved.grant }),
  }
}

/** Once another policy is in force nothing is given by the one before: what is running then is asked again, and what comes later has to be decided by it. */
function checkPolicy(tables: Tables, { policyHash }: Decided): void {
  const inForce = tables.policies.current()?.hash
  if (inForce !== undefined && inForce !== policyHash) throw new MayflyError('PRECONDITION_FAILED', 'another policy is in force since', { hint: 'decide anew', details: { policyHash: inForce } })
}

/** Invariant 3. */
function notAfterLimit(tables: Tables, grant: Grant, role: GrantRole, deadline: number, { credential }: GrantIssue, by: Actor): number {
  const authorityNotAfterMs = tables.authorities.byId(credential.authorityId)?.notAfterMs ?? 0
  const ttlSeconds = Math.min(grant.ttlSeconds, role.credentialTtlSeconds)
  return latestNotAfterMs({ deadlineMs: deadline, approvedUntilMs: approvedUntilMs(grant, by.atMs), authorityNotAfterMs, ttlSeconds }, by.atMs)
}

/** The machine's own words for a grant that is elsewhere, before anything else is looked at. */
function refuseOutOfPlace(grant: Grant, next: GrantMove, wanted: Grant['state'], by: Actor): void {
  if (grant.state !== wanted || hasEnded(grant.state)) move(grant, next, by)
}
