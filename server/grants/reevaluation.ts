import { MayflyError } from '../../src/core/errors.ts'
import type { Grant } from '../../src/core/grant/grant.ts'
import type { PolicyDecider } from '../../src/core/grant/policy-request.ts'
import type { GrantStore } from '../store/grant-port.ts'
import type { Actor } from '../store/port.ts'
import type { Directory } from './directory.ts'
import type { Ends } from './ends.ts'
import { isRunning } from './grant-index.ts'
import type { GrantIndex } from './grant-index.ts'
import type { GrantTime } from './grant-time.ts'
import type { Judge, Judgement } from './judge.ts'

export interface ReevaluationDeps {
  readonly store: { readonly grants: GrantStore }
  readonly index: GrantIndex
  readonly directory: Directory
  readonly judge: Judge
  readonly ends: Ends
  readonly time: GrantTime
}

/** Active grants, asked again. */
export interface Reevaluation {
  readonly evaluated: number
  /** Those that the policy no longer allows: ended, or in a dry run to be ended. */
  readonly ended: readonly string[]
}

const atOnce = 100

/**
 * Asks a policy about every grant that runs, on the facts that were attested last, as if it were to be renewed now; unless it is a dry run, ends those that it denies
 * (cause `policy_change`). One whose role is gone is denied.
 */
export async function reevaluate(decider: PolicyDecider, dryRun: boolean, by: Actor, deps: ReevaluationDeps): Promise<Reevaluation> {
  const running = [...deps.index.all()].filter(isRunning)
  const ended: string[] = []
  for (let at = 0; at < running.length; at += atOnce) {
    const slice = running.slice(at, at + atOnce)
    const judged = await Promise.all(slice.map(async (grant) => ({ grant, judgement: await judge(grant, decider, deps) })))
    const denied = judged.filter(({ judgement }) => judgement?.decision.allowed !== true)
    if (!dryRun) await Promise.all(denied.map(async ({ grant, judgement }) => end(grant, judgement, by, deps)))
    ended.push(...denied.map(({ grant }) => grant.id))
  }
  return { evaluated: running.length, ended }
}

async function judge(grant: Grant, decider: PolicyDecider, deps: ReevaluationDeps): Promise<Judgement | undefined> {
  const role = (await deps.directory.roles()).get(grant.role)
  if (role === undefined) return undefined
  const attested = await deps.judge.lastAttested(grant)
  // which probes hold is the agent's to say at once, and not a matter of this change
  const probes = role.probes.map((name) => ({ name, ok: true }))
  return await deps.judge.judge('renew', { grant, role, attested: { ...attested, probes, progressSecondsAgo: 0 } }, deps.time.nowMs(), { at: 'reevaluate', decider })
}

async function end(grant: Grant, judgement: Judgement | undefined, by: Actor, { store, ends }: ReevaluationDeps): Promise<void> {
  const reasons = judgement?.decision.reasons ?? ['role-gone']
  try {
    if (judgement !== undefined) await store.grants.recordDecision(grant.id, judgement.decision, judgement.asked, by)
    await ends.end(grant.id, { cause: 'policy_change', detail: reasons.join(', ') }, by.name)
  } catch (error) {
    if (error instanceof MayflyError && error.code === 'NOT_FOUND') return // it ended by itself meanwhile, and was pruned
    throw error
  }
}
