import type { Grant, GrantRole } from '../../src/core/grant/grant.ts'
import { waiversOf } from '../policy/exceptions.ts'
import type { Directory } from './directory.ts'
import { maxTtlSecondsOf } from './facts.ts'

/** What steps of a running grant are decided by, besides policy: its role as it is by now, and what exceptions make of it. */
export interface StepTermsNow {
  /** Unset once it was deleted: it allows nothing then. */
  readonly role: GrantRole | undefined
  /** Whether a control is waived. */
  readonly waived: boolean
  /** Of one credential. */
  readonly maxTtlSeconds: number
}

export async function stepTermsOf({ role: name, owner }: Pick<Grant, 'role' | 'owner'>, directory: Directory, nowMs: number): Promise<StepTermsNow> {
  const role = (await directory.roles()).get(name)
  if (role === undefined) return { role, waived: false, maxTtlSeconds: 0 }
  const waivers = waiversOf(await directory.exceptions(), { role: name, owner, spiffeId: role.spiffeId }, nowMs)
  return { role, waived: waivers.controls.length > 0, maxTtlSeconds: maxTtlSecondsOf(waivers) }
}
