import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import { isRecord } from '../core/record.ts'

/**
 * The names that these policies look for among exceptions, as in `context.exceptions.contains("reason-given")`: what an exception can waive. `undefined` when
 * that cannot be told, since what they look for is worked out.
 */
export function waivableBy(policies: readonly PolicyJson[]): ReadonlySet<string> | undefined {
  const names = new Set<string>()
  let isKnown = true
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (!isRecord(node)) return
    if (isExceptions(node)) isKnown = false // looked at in another way
    for (const [operator, part] of Object.entries(node)) {
      const wanted = lookups.has(operator) && isRecord(part) && isExceptions(part['left']) ? literalsOf(part['right']) : undefined
      if (wanted === undefined) visit(part)
      else for (const name of wanted) names.add(name)
    }
  }
  for (const { conditions } of policies) visit(conditions)
  return isKnown ? names : undefined
}

const lookups: ReadonlySet<string> = new Set(['contains', 'containsAny', 'containsAll'])

function isExceptions(node: unknown): boolean {
  const access = isRecord(node) ? node['.'] : undefined
  return isRecord(access) && access['attr'] === 'exceptions' && isRecord(access['left']) && access['left']['Var'] === 'context'
}

function literalsOf(node: unknown): readonly string[] | undefined {
  if (!isRecord(node)) return undefined
  if (typeof node['Value'] === 'string') return [node['Value']]
  const parts = Array.isArray(node['Set']) ? node['Set'].map(literalsOf) : [undefined]
  return parts.some((part) => part === undefined) ? undefined : parts.flatMap((part) => part ?? [])
}
