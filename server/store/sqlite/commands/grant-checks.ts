import { createHash } from 'node:crypto'
import { canonicalRequest } from '../../../../src/core/grant/canonical.ts'
import { hasEnded, type Grant, type GrantRole } from '../../../../src/core/grant/grant.ts'
import { isGrantId, subIdOf, taskIdOf } from '../../../../src/core/grant/grant-id.ts'
import { canonicalIntent, parseIntent } from '../../../../src/core/grant/intent.ts'
import { advance, type GrantMove } from '../../../../src/core/grant/machine.ts'
import { checkRequest } from '../../../../src/core/grant/request.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import { taskOf } from '../../../../src/core/task.ts'
import type { GrantRecord } from '../../../journal/grant-records.ts'
import type { Actor } from '../../port.ts'
import type { Tables } from '../tables/tables.ts'
import { notFound } from './ending.ts'

/** A move that the machine allows: the record that says it, and the grant after it. */
export interface Moved {
  readonly grant: Grant
  /** None when the move changes nothing. */
  readonly records: readonly GrantRecord[]
}

/** @throws {MayflyError} the code with which the machine refuses */
export function move(grant: Grant, next: GrantMove, by: Actor, asked?: string): Moved {
  const result = advance(grant, next, by.atMs)
  if (result.kind === 'refused') throw new MayflyError(result.code, result.message, { details: { grant: grant.id, state: grant.state } })
  if (result.kind === 'unchanged') return { grant, records: [] }
  const { version } = result.grant
  const record: GrantRecord = { kind: 'grant.moved', id: grant.id, version, move: next, ...(asked === undefined ? {} : { asked }), by: by.name, atMs: by.atMs }
  return { grant: result.grant, records: [record] }
}

/** @throws {MayflyError} NOT_FOUND; PRECONDITION_FAILED when it moved since, unless it has ended: then its end is what matters */
export function findGrant(tables: Tables, id: string, ifVersion?: number): Grant {
  const grant = tables.grants.byId(id)
  if (grant === undefined) throw notFound('the grant')
  if (ifVersion !== undefined && ifVersion !== grant.version && !hasEnded(grant.state)) {
    throw new MayflyError('PRECONDITION_FAILED', 'the grant has moved since', { hint: 'look at it again and decide anew', details: { version: grant.version } })
  }
  return grant
}

/** The parent, once it and all above it are active; `undefined` for a root (invariant 7). @throws {MayflyError} GRANT_STATE */
export function activeParent(tables: Tables, { parentId }: Pick<Grant, 'parentId'>): Grant | undefined {
  if (parentId === '') return undefined
  const parent = tables.grants.byId(parentId)
  for (let above = parent; ; above = tables.grants.byId(above.parentId)) {
    if (above?.state !== 'active') throw new MayflyError('GRANT_STATE', `the grant above is ${above?.state ?? 'gone'}`, { hint: 'a child lives while every grant above it is active' })
    if (above.parentId === '') return parent
  }
}

/** @throws {MayflyError} OWNER_MISSING when nobody answers for it (invariant 12), TARGET_DISABLED */
export function checkOwner(tables: Tables, owner: string): void {
  if (!tables.owners.answers(owner)) throw new MayflyError('OWNER_MISSING', `nobody answers for the owner ${JSON.stringify(owner)}`, { hint: 'mayfly owner list; mayfly owner transfer gives what is theirs to another' })
  if (tables.targets.isDisabled('owner', owner)) throw new MayflyError('TARGET_DISABLED', 'the owner is disabled')
}

/** @throws {MayflyError} ROLE_UNKNOWN when it is gone or, with `version`, is not as it was then */
export function findRole(tables: Tables, name: string, version?: number): GrantRole {
  const role = tables.roles.byName(name)
  if (role === undefined) throw new MayflyError('ROLE_UNKNOWN', `there is no grant role ${JSON.stringify(name)}`, { hint: 'mayfly role list' })
  if (version !== undefined && role.version !== version) throw new MayflyError('ROLE_UNKNOWN', `the role ${name} was changed since`, { hint: 'ask anew', details: { version: role.version } })
  return role
}

/** Neither the agent nor an ID that the grant stands on is disabled. @throws {MayflyError} NOT_FOUND, AGENT_BANNED, TARGET_DISABLED */
export function checkTargets(tables: Tables, grant: Pick<Grant, 'spiffeId' | 'agentId'>): void {
  const banned = tables.agents.isBanned(grant.agentId)
  if (banned === undefined) throw notFound('the agent')
  if (banned) throw new MayflyError('AGENT_BANNED', 'the agent is banned')
  const workload = taskOf(grant.spiffeId)?.workload
  if (tables.targets.isDisabled('agent', grant.agentId)) throw new MayflyError('TARGET_DISABLED', 'the agent is disabled')
  if (workload === undefined || tables.targets.isDisabled('id', workload) || tables.targets.isDisabled('id', grant.spiffeId)) throw new MayflyError('TARGET_DISABLED', 'the SPIFFE ID is disabled')
}

/** A request as it comes in: every field what its role, its parent and its own hashes make of it. @throws {MayflyError} INVALID_ARGUMENT, and as `checkRequest` */
export function checkNewGrant(tables: Tables, grant: Grant, role: GrantRole, parent: Grant | undefined): void {
  const trustDomain = tables.domain.read()?.trustDomain
  if (trustDomain === undefined) throw new MayflyError('STORE_CORRUPT', 'the store has no trust domain')
  const isNew = grant.state === 'requested' && grant.version === 1 && grant.serial === '' && grant.approvals.length === 0 && grant.activatedAtMs === 0 && grant.endedAtMs === 0
  const isUnused = grant.used.renewals === 0 && grant.used.steps === 0 && grant.used.children === 0
  const place = parent === undefined ? { spiffeId: taskIdOf(role.spiffeId, grant.id), rootId: grant.id, depth: 0 } : { spiffeId: subIdOf(parent.spiffeId, grant.id), rootId: parent.rootId, depth: parent.depth + 1 }
  must(isGrantId(grant.id) && isNew && isUnused, 'the request is not a new one')
  must(grant.spiffeId === place.spiffeId && grant.rootId === place.rootId && grant.depth === place.depth, 'the request is not at its place in the tree')
  must(grant.owner === role.owner, "the owner is not the role's")
  must(JSON.stringify(parseIntent(grant.intent)) === JSON.stringify(grant.intent), 'the intent is not in its canonical form')
  must(grant.intentHash === sha256(canonicalIntent(grant.intent)), 'the hash is not that of the intent')
  must(grant.requestHash === sha256(canonicalRequest(trustDomain, grant)), 'the hash is not that of the request')
  checkRequest(grant, role, parent)
}

function must(holds: boolean, problem: string): void {
  if (!holds) throw new MayflyError('INVALID_ARGUMENT', problem)
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}
