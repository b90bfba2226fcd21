import { MayflyError } from '../errors.ts'
import { checkSelector, formatSelector, parseSelector } from '../selector.ts'
import type { GrantRole } from './grant.ts'
import { taskIdOf } from './grant-id.ts'
import { isAction, parseAllowedIntent } from './intent.ts'
import { isBudget, maxBudget } from './limits.ts'
import type { BindingTier } from './policy-request.ts'

/** Bounds of a role's times, seconds. */
const maxCredentialTtlSeconds = 3_600
const maxApprovalTtlSeconds: number = 30 * 86_400
const maxItems = 64
const tiers: readonly BindingTier[] = ['pid', 'pidfd', 'cgroup']

/** Checks a role and gives it its one form. @throws {MayflyError} INVALID_ARGUMENT, INTENT_INVALID, SELECTOR_INVALID, naming the field */
export function parseRole(raw: GrantRole): GrantRole {
  must(isRoleName(raw.name), 'a role has a name of lower-case letters, digits and hyphens, at most 64')
  taskIdOf(raw.spiffeId, 'x') // throws for what cannot have grants
  must(raw.owner !== '', 'a role has an owner')
  must(raw.requesters.length > 0 && raw.requesters.length <= maxItems, `a role has 1 to ${maxItems} requesters`)
  must(raw.intents.length > 0 && raw.intents.length <= maxItems, `a role has 1 to ${maxItems} intents`)
  must(isBudget(raw.budget) && raw.budget.seconds > 0, `a budget has whole numbers, a second or more, at most ${JSON.stringify(maxBudget)}`)
  must(within(raw.credentialTtlSeconds, 10, maxCredentialTtlSeconds), `a credential lives 10 to ${maxCredentialTtlSeconds} seconds`)
  must(within(raw.approvalTtlSeconds, 10, maxApprovalTtlSeconds), `a request waits 10 to ${maxApprovalTtlSeconds} seconds`)
  must(within(raw.approvals, 0, maxItems), `a role wants 0 to ${maxItems} approvals`)
  must(within(raw.progressSeconds, 0, maxBudget.seconds), 'the time without progress is a whole number of seconds')
  must(tiers.includes(raw.minTier), `a tier is one of ${tiers.join(', ')}`)
  const approvers = texts('approver', raw.approvers, (text) => text !== '')
  must(approvers.length === 0 || approvers.length >= raw.approvals, 'a role wants more approvals than it has approvers')
  return {
    name: raw.name,
    spiffeId: raw.spiffeId,
    owner: raw.owner,
    requesters: raw.requesters.map(({ parentId, selectors }) => {
      must(selectors.length > 0 && selectors.length <= maxItems, 'a requester has selectors: else every process under its parent could ask')
      must(!selectors.some((text) => text.startsWith('docker:env:')), 'a requester is not known by docker:env, since an environment may hold secrets and agents tell nobody of it: give the container a label, and name that')
      return { parentId, selectors: [...new Set(selectors.map((text) => formatSelector(checkSelector(parseSelector(text)))))].toSorted() }
    }),
    intents: raw.intents.map(parseAllowedIntent),
    budget: { seconds: raw.budget.seconds, renewals: raw.budget.renewals, steps: raw.budget.steps, children: raw.budget.children, depth: raw.budget.depth },
    credentialTtlSeconds: raw.credentialTtlSeconds,
    approvalTtlSeconds: raw.approvalTtlSeconds,
    approvals: raw.approvals,
    approvers,
    minTier: raw.minTier,
    progressSeconds: raw.progressSeconds,
    endOnSecondUse: raw.endOnSecondUse,
    confirmActions: texts('action', raw.confirmActions, isAction),
    approveActions: texts('action', raw.approveActions, isAction),
    probes: texts('probe', raw.probes, (text) => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text)),
    ...(raw.fromInside === true ? { fromInside: true } : {}),
    version: raw.version,
  }
}

function isRoleName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(text)
}

/** Whether a binding of this tier will do. */
export function isStrongEnough(tier: BindingTier, minTier: BindingTier): boolean {
  return tiers.indexOf(tier) >= tiers.indexOf(minTier)
}

function texts(what: string, given: readonly string[], isOne: (text: string) => boolean): readonly string[] {
  const once = [...new Set(given)].toSorted()
  must(once.length <= maxItems, `a role has at most ${maxItems} ${what}s`)
  for (const text of once) must(isOne(text), `${JSON.stringify(text.slice(0, 80))} is no ${what}`)
  return once
}

function within(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

function must(holds: boolean, problem: string): void {
  if (!holds) throw new MayflyError('INVALID_ARGUMENT', problem, { hint: 'mayfly role create --help says what a role may hold' })
}
