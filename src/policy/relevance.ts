import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { PolicyAction } from '../core/grant/policy-request.ts'
import { isRecord } from '../core/record.ts'

/** Facts that policies look at, by the variable they belong to; `undefined`: any of them. Asking is twice as fast when no others are sent. */
export interface LookedAt {
  readonly principal: ReadonlySet<string> | undefined
  readonly resource: ReadonlySet<string> | undefined
  readonly context: ReadonlySet<string> | undefined
}

type Variable = keyof LookedAt

/** Whether a policy can say anything about an action: by its scope, which Cedar would look at first. In doubt, it can. */
export function isAbout({ action }: PolicyJson, asked: PolicyAction): boolean {
  if (action.op === 'All') return true
  const named = 'entities' in action ? action.entities : 'entity' in action ? [action.entity] : []
  const ids = named.map((uid) => ('__entity' in uid ? uid.__entity.id : uid.id))
  return ids.length === 0 || ids.includes(asked)
}

/** What the conditions of these policies look at. What cannot be followed counts as everything. */
export function lookedAt(policies: readonly PolicyJson[]): LookedAt {
  const found = { principal: new Set<string>(), resource: new Set<string>(), context: new Set<string>() }
  const all = new Set<Variable>()
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (!isRecord(node)) return
    const access = isRecord(node['.']) ? node['.'] : isRecord(node['has']) ? node['has'] : undefined
    const variable = access === undefined ? undefined : variableOf(access['left'])
    if (access !== undefined && variable !== undefined && typeof access['attr'] === 'string') return void found[variable].add(access['attr'])
    if (access !== undefined) for (const one of variables) all.add(one) // of something that was worked out, or by a path
    if (variableOf(node) === 'context') all.add('context') // as a whole
    for (const part of Object.values(node)) visit(part)
  }
  for (const { conditions } of policies) visit(conditions)
  const of = (variable: Variable): ReadonlySet<string> | undefined => (all.has(variable) ? undefined : found[variable])
  return { principal: of('principal'), resource: of('resource'), context: of('context') }
}

const variables: readonly Variable[] = ['principal', 'resource', 'context']

function variableOf(node: unknown): Variable | undefined {
  const name = isRecord(node) ? node['Var'] : undefined
  return variables.find((variable) => variable === name)
}
