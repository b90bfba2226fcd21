import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs'
import { policySchema } from './schema.ts'
import type { PolicySet } from './policy-set.ts'

/** Cedar's own calls, as its package declares them. */
export type Cedar = typeof CedarModule

/** Loads Cedar when it is first needed: four megabytes of WebAssembly that most processes never ask. */
export async function loadCedar(): Promise<Cedar> {
  return await import('@cedar-policy/cedar-wasm/nodejs')
}

/** Most that a set may hold, so that a decision and a push to agents stay small. */
export const maxPolicies = 500
export const maxPolicyBytes = 16_384

/** What is wrong with a set, a line each, with the policy's name; empty when it can be applied. */
export function problemsOf(cedar: Cedar, set: PolicySet): string[] {
  const names = Object.keys(set)
  if (names.length === 0) return ['the set is empty: everything would be denied']
  if (names.length > maxPolicies) return [`${names.length} policies: at most ${maxPolicies}`]
  const bad = names.flatMap((name) => problemsOfOne(cedar, name, set[name] ?? ''))
  if (bad.length > 0) return bad
  const answer = cedar.validate({ schema: policySchema, policies: { staticPolicies: { ...set } } })
  if (answer.type === 'failure') return answer.errors.map(({ message }) => message)
  const found = [...answer.validationErrors, ...answer.validationWarnings]
  return found.map(({ policyId, error }) => (error.message.includes(policyId) ? error.message : `${policyId}: ${error.message}`))
}

function problemsOfOne(cedar: Cedar, name: string, text: string): string[] {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) return [`'${name}': a name has lower-case letters, digits and '-', at most 64`]
  if (Buffer.byteLength(text) > maxPolicyBytes) return [`${name}: longer than ${maxPolicyBytes} bytes`]
  const parsed = cedar.policyToJson(text)
  if (parsed.type === 'failure') return parsed.errors.map(({ message, sourceLocations }) => `${name}: ${message}${place(text, sourceLocations?.[0]?.start)}`)
  const { effect, annotations, principal, action, resource, conditions } = parsed.json
  const approvals = annotations?.['approvals']
  const problems: string[] = []
  if (approvals !== undefined && effect === 'permit') problems.push(`${name}: only a forbid can be lifted by approvals`)
  if (approvals !== undefined && !/^[1-9]$/.test(approvals)) problems.push(`${name}: @approvals is "1" to "9"`)
  const unbounded = effect === 'permit' && conditions.length === 0 && [principal, action, resource].every(({ op }) => op === 'All')
  if (unbounded) problems.push(`${name}: permits everyone everything: name a principal, an action or a condition`)
  return problems
}

function place(text: string, at: number | undefined): string {
  return at === undefined ? '' : ` (line ${text.slice(0, at).split('\n').length})`
}
