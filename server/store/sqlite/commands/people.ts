import { isOwnRequest, isRequesterName } from '../../../../src/core/approval/own-request.ts'
import type { Grant } from '../../../../src/core/grant/grant.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { Person } from '../../grant-model.ts'
import type { Command } from '../operations.ts'
import type { Tables } from '../tables/tables.ts'
import { decision } from './ending.ts'
import { withdrawApprovals } from './withdrawal.ts'

const maxItems = 64
const maxKeyLength = 4_096

export const putPerson: Command<'people.put'> = (tables, { name, sshKeys, owners, roles, requesters = [] }, by) => {
  must(isName(name), 'a person has a name of visible characters, at most 128')
  must(sshKeys.length > 0 && sshKeys.length <= maxItems && sshKeys.every((key) => key.length <= maxKeyLength && /^[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]+={0,2}$/.test(key)), 'a person has keys, each written as `type base64`')
  must(owners.length <= maxItems && owners.every(isName) && roles.length <= maxItems, 'a person speaks for at most 64 owners, in at most 64 roles')
  must(requesters.length <= maxItems && requesters.every(isRequesterName), 'a person asks as `uid:1000`, or as `uid:1000 on <agent>`, at most 64 of them')
  // by a name that nobody has they could approve what is their own
  const unknown = owners.find((owner) => tables.owners.byName(owner) === undefined)
  if (unknown !== undefined) throw new MayflyError('OWNER_MISSING', `there is no owner ${JSON.stringify(unknown)} to speak for`, { hint: 'mayfly owner list; mayfly owner add' })
  for (const key of sshKeys) {
    const holder = tables.people.holderOfKey(key)
    if (holder !== undefined && holder !== name) throw new MayflyError('ALREADY_EXISTS', `this key is that of ${holder}`, { hint: 'a key belongs to one person: else one could approve as two' })
  }
  const addedAtMs = tables.people.byName(name)?.addedAtMs ?? by.atMs
  const asks = requesters.length === 0 ? {} : { requesters: sorted(requesters) }
  const person: Person = { name, sshKeys: sorted(sshKeys), owners: sorted(owners), roles: sorted(roles), ...asks, addedAtMs }
  return decision([{ kind: 'person.put', person, by: by.name, atMs: by.atMs }], person)
}

export const removePerson: Command<'people.remove'> = (tables, name, by) => {
  if (tables.people.byName(name) === undefined) throw new MayflyError('NOT_FOUND', `nobody is registered as ${JSON.stringify(name.slice(0, 128))}`, { hint: 'mayfly person list' })
  const waiting = tables.grants.list({ sql: "live = 1 AND state IN ('pending_approval', 'approved')", values: [] }, Number.MAX_SAFE_INTEGER)
  const { records } = withdrawApprovals(tables, waiting, name, by)
  return decision([{ kind: 'person.removed', name, by: by.name, atMs: by.atMs }, ...records], undefined)
}

export const spendSignature: Command<'people.spendSignature'> = (tables, { approver, signedHash, signature }, by) => {
  must(/^[0-9a-f]{64}$/.test(signedHash), 'what is signed is given by its SHA-256')
  if (tables.people.byName(approver) === undefined) throw new MayflyError('APPROVAL_INVALID', `${JSON.stringify(approver)} is not registered`)
  if (tables.people.isSpent(approver, signedHash, signature)) throw new MayflyError('APPROVAL_INVALID', 'this signature was used before')
  return decision([{ kind: 'signature.spent', approver, signedHash, signature, by: by.name, atMs: by.atMs }], undefined)
}

/**
 * Whether a person may say yes or no to this request (invariant 9): registered, one of the role's approvers and, for a yes, not theirs.
 * @throws {MayflyError} APPROVAL_INVALID
 */
export function checkApprover(tables: Tables, grant: Grant, approver: string, verb: 'approves' | 'denies' = 'approves'): void {
  const person = tables.people.byName(approver)
  if (person === undefined) throw new MayflyError('APPROVAL_INVALID', `${JSON.stringify(approver)} is not registered`, { hint: 'mayfly person add' })
  const approvers = tables.roles.byName(grant.role)?.approvers ?? []
  if (approvers.length > 0 && !approvers.includes(approver)) throw new MayflyError('APPROVAL_INVALID', `${approver} is none of the approvers of the role ${grant.role}`)
  if (verb === 'approves' && isOwnRequest(person, grant)) {
    throw new MayflyError('APPROVAL_INVALID', 'nobody approves a request of their own, or of an owner that they speak for')
  }
}

/** As owners of entries are written: shown in terminals, compared exactly. */
export function isName(text: string): boolean {
  return text.length > 0 && text.length <= 128 && /^[\p{L}\p{N}\p{P}\p{S} ]*$/u.test(text) && text === text.trim()
}

function sorted(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].toSorted()
}

function must(holds: boolean, problem: string): void {
  if (!holds) throw new MayflyError('INVALID_ARGUMENT', problem)
}
