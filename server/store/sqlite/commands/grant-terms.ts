import { parseRole } from '../../../../src/core/grant/role.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { PolicyException, PolicyVersion } from '../../grant-model.ts'
import type { Command } from '../operations.ts'
import { decision } from './ending.ts'
import { checkOwner, findRole } from './grant-checks.ts'
import { spendSignature } from './people.ts'

const maxPolicyBytes = 1_048_576
const maxPolicies = 1_000
const maxTextLength = 500

export const putRole: Command<'roles.put'> = (tables, raw, ifVersion, by) => {
  const present = tables.roles.byName(raw.name)?.version ?? 0
  if (ifVersion !== present) throw versionClash(raw.name, ifVersion, present)
  const role = parseRole({ ...raw, version: tables.roles.versionOf(raw.name) + 1 })
  checkOwner(tables, role.owner)
  return decision([{ kind: 'role.put', role, by: by.name, atMs: by.atMs }], role)
}

export const deleteRole: Command<'roles.delete'> = (tables, name, by) => {
  findRole(tables, name)
  return decision([{ kind: 'role.deleted', name, by: by.name, atMs: by.atMs }], undefined)
}

export const applyPolicy: Command<'policies.apply'> = (tables, { policies, hash, reason }, ifVersion, by) => {
  const version = tables.policies.current()?.version ?? 0
  if (version !== ifVersion) throw new MayflyError('PRECONDITION_FAILED', `the policy in force is version ${version}`, { hint: 'look at it again', details: { version } })
  must(/^[0-9a-f]{64}$/.test(hash), 'a policy is named by its SHA-256')
  must(Object.keys(policies).length <= maxPolicies && Buffer.byteLength(JSON.stringify(policies)) <= maxPolicyBytes, `a policy is at most ${maxPolicies} texts, ${maxPolicyBytes} bytes`)
  const next: PolicyVersion = { version: version + 1, policies, hash, reason: reason.slice(0, maxTextLength), by: by.name, atMs: by.atMs }
  return decision([{ kind: 'policy.applied', ...next }], next)
}

export const putException: Command<'exceptions.put'> = (tables, given, { signedHash, signature }, by) => {
  if (tables.policies.hasException(given.id)) throw new MayflyError('ALREADY_EXISTS', 'an exception has this ID')
  must(/^[a-z0-9][a-z0-9._-]{0,63}$/.test(given.id), 'the ID of an exception is of lower-case letters, digits, dots, underscores and hyphens')
  must(given.control !== '' && given.scope !== '' && given.reason !== '' && given.approver !== '', 'an exception names its control, its scope, its reason and its approver')
  must([given.control, given.scope, given.reason, given.approver].every((text) => text.length <= maxTextLength * 4), 'a text of the exception is too long')
  must(Number.isSafeInteger(given.reviewAtMs) && given.reviewAtMs > by.atMs, 'an exception is reviewed later than now')
  must(Number.isSafeInteger(given.value) && given.value >= 0, 'the value of an exception is a whole number')
  checkOwner(tables, given.owner)
  must(given.approver !== given.owner, 'nobody approves an exception of their own')
  const { id, control, scope, owner, reason, approver, reviewAtMs, value } = given
  const exception: PolicyException = { id, control, scope, owner, reason, approver, createdAtMs: by.atMs, reviewAtMs, value }
  const spent = spendSignature(tables, { approver, signedHash, signature }, by)
  return decision([...spent.records, { kind: 'exception.put', exception, by: by.name, atMs: by.atMs }], exception)
}

export const removeException: Command<'exceptions.remove'> = (tables, id, by) => {
  if (!tables.policies.hasException(id)) throw new MayflyError('NOT_FOUND', `there is no exception ${JSON.stringify(id.slice(0, 64))}`, { hint: 'mayfly exception list' })
  return decision([{ kind: 'exception.removed', id, by: by.name, atMs: by.atMs }], undefined)
}

function versionClash(name: string, ifVersion: number, present: number): MayflyError {
  const details = { version: present }
  if (present === 0) return new MayflyError('PRECONDITION_FAILED', `there is no role ${name}`, { hint: 'mayfly role create', details })
  if (ifVersion === 0) return new MayflyError('PRECONDITION_FAILED', `there is a role ${name} already, at version ${present}`, { hint: `mayfly role show ${name} --json, and mayfly role update`, details })
  return new MayflyError('PRECONDITION_FAILED', `the role ${name} is at version ${present}, and not at ${ifVersion} any more`, { hint: `mayfly role show ${name} --json says how it is now`, details })
}

function must(holds: boolean, problem: string): void {
  if (!holds) throw new MayflyError('INVALID_ARGUMENT', problem)
}
