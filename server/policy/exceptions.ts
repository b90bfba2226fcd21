import { MayflyError } from '../../src/core/errors.ts'
import type { GrantRole } from '../../src/core/grant/grant.ts'
import type { Person, PolicyException } from '../store/grant-model.ts'

/** The control whose exception raises the longest life of a credential instead of waiving anything. */
export const maxTtlControl = 'max_ttl'

/** Whom an exception's scope is held against. */
export interface Covered {
  readonly role: string
  readonly owner: string
  /** Of the workload, as the role has it. */
  readonly spiffeId: string
}

/** What running exceptions make of the policy for one grant. */
export interface Waivers {
  /** Names of controls, sorted. */
  readonly controls: readonly string[]
  /** The longest life of a credential in seconds that an exception allows; 0: none does. */
  readonly maxTtlSeconds: number
  /** When the first of them is to be reviewed, and is absent; Infinity without any. */
  readonly untilMs: number
}

/** What is waived now. An exception past its review date is absent (invariant 14). */
export function waiversOf(exceptions: readonly PolicyException[], covered: Covered, nowMs: number): Waivers {
  const running = exceptions.filter((exception) => isRunning(exception, nowMs) && covers(exception, covered))
  const controls = running.filter(({ control }) => control !== maxTtlControl).map(({ control }) => control)
  const ttls = running.filter(({ control }) => control === maxTtlControl).map(({ value }) => value)
  return { controls: [...new Set(controls)].toSorted(), maxTtlSeconds: Math.max(0, ...ttls), untilMs: Math.min(Number.POSITIVE_INFINITY, ...running.map(({ reviewAtMs }) => reviewAtMs)) }
}

/** As if there were no exception. */
export const nothingWaived: Waivers = Object.freeze({ controls: [], maxTtlSeconds: 0, untilMs: Number.POSITIVE_INFINITY })

export function isRunning({ createdAtMs, reviewAtMs }: PolicyException, nowMs: number): boolean {
  return createdAtMs <= nowMs && nowMs < reviewAtMs
}

/**
 * Whether the person may approve it: an approver, who speaks neither for its owner nor for an owner of what it is for; else people waive the controls of what is their own.
 * @throws {MayflyError} APPROVAL_INVALID, INVALID_ARGUMENT (it is for nothing that there is)
 */
export function checkMayApproveException(person: Person | undefined, { scope, owner }: Pick<PolicyException, 'scope' | 'owner'>, grantRoles: readonly GrantRole[]): void {
  if (person === undefined) throw new MayflyError('APPROVAL_INVALID', 'nobody is registered by this name', { hint: 'mayfly person list' })
  const { name, roles, owners } = person
  if (!roles.includes('approve')) throw new MayflyError('APPROVAL_INVALID', `${name} is no approver`, { hint: 'mayfly person list' })
  const covered = grantRoles.filter((role) => covers({ scope }, { role: role.name, owner: role.owner, spiffeId: role.spiffeId })).map((role) => role.owner)
  // else it could be approved before there is anybody whose own it is
  if (covered.length === 0 && !scope.startsWith('owner:')) throw new MayflyError('INVALID_ARGUMENT', `no grant role is covered by ${JSON.stringify(scope.slice(0, 200))}`, { hint: 'mayfly role list' })
  const own = [owner, ...covered, scope.replace(/^owner:/, '')].find((one) => one === name || owners.includes(one))
  if (own !== undefined) throw new MayflyError('APPROVAL_INVALID', `${name} speaks for ${own}: nobody approves an exception of their own`, { hint: 'somebody else has to' })
}

/**
 * An exception waives what the policy in force lets it waive, and nothing by a name that is misspelt or of a control that is not to be waived: it would look like a permission, and be none.
 * @param waivable by that policy; `undefined`: it does not say
 * @throws {MayflyError} INVALID_ARGUMENT
 */
export function checkWaivable(control: string, waivable: ReadonlySet<string> | undefined): void {
  if (control === maxTtlControl || waivable?.has(control) !== false) return
  throw new MayflyError('INVALID_ARGUMENT', `the policy in force lets no exception waive ${JSON.stringify(control.slice(0, 64))}`, { hint: `there are ${[maxTtlControl, ...waivable].join(', ')}; mayfly policy show` })
}

/** Whether it is for this grant. */
export function covers({ scope }: Pick<PolicyException, 'scope'>, { role, owner, spiffeId }: Covered): boolean {
  return scope === `role:${role}` || scope === `owner:${owner}` || scope === spiffeId
}
