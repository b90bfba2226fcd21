import type { PolicyException } from '../store/grant-model.ts'

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
}

/** What is waived now. An exception past its review date is absent (invariant 14). */
export function waiversOf(exceptions: readonly PolicyException[], covered: Covered, nowMs: number): Waivers {
  const running = exceptions.filter((exception) => isRunning(exception, nowMs) && covers(exception, covered))
  const controls = running.filter(({ control }) => control !== maxTtlControl).map(({ control }) => control)
  const ttls = running.filter(({ control }) => control === maxTtlControl).map(({ value }) => value)
  return { controls: [...new Set(controls)].toSorted(), maxTtlSeconds: Math.max(0, ...ttls) }
}

export function isRunning({ createdAtMs, reviewAtMs }: PolicyException, nowMs: number): boolean {
  return createdAtMs <= nowMs && nowMs < reviewAtMs
}

function covers({ scope }: PolicyException, { role, owner, spiffeId }: Covered): boolean {
  return scope === `role:${role}` || scope === `owner:${owner}` || scope === spiffeId
}
