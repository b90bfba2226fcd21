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
  /** The policy in force. */
  readonly decider: () => Promise<PolicyDecider>
  /** Its hash, known without loading it. */
  readonly policyHash: () => string
}

/** Active grants, asked again. */
export interface Reevaluation {
  readonly evaluated: number
  /** Those that the policy no longer allows: ended, or in a dry run to be ended. */
  readonly ended: readonly string[]
}

export interface ReevaluationOptions {
  readonly dryRun: boolean
  /** Which of those that run; all when absent. */
  readonly only?: (grant: Grant) => boolean
}

const atOnce = 100

/**
 * Asks policy about grants that run, on the facts that were attested last, as if they were to be renewed now; unless it is a dry run, those that it denies end
 * (cause `policy_change`). One whose role is gone is denied.
 */
export class Reevaluations {
  readonly #deps: ReevaluationDeps
  /** Grants that were asked about since they last moved: the hash of the policy that was. */
  readonly #asked = new Map<string, string>()

  constructor(deps: ReevaluationDeps) {
    this.#deps = deps
  }

  /** @throws {MayflyError} STORE_UNWRITABLE: what is left is asked about by {@link Reevaluations.left} */
  async run(decider: PolicyDecider, { dryRun, only = () => true }: ReevaluationOptions, by: Actor): Promise<Reevaluation> {
    const running = [...this.#deps.index.all()].filter((grant) => isRunning(grant) && only(grant))
    const ended: string[] = []
    for (let at = 0; at < running.length; at += atOnce) {
      const judged = await Promise.all(running.slice(at, at + atOnce).map(async (grant) => ({ grant, judgement: await this.#judge(grant, decider) })))
      const denied = judged.filter(({ judgement }) => judgement?.decision.allowed !== true)
      if (!dryRun) {
        await Promise.all(denied.map(async ({ grant, judgement }) => await this.#end(grant, judgement, by)))
        for (const { grant } of judged) this.#asked.set(grant.id, decider.hash)
      }
      ended.push(...denied.map(({ grant }) => grant.id))
    }
    return { evaluated: running.length, ended }
  }

  /** Those that run by the word of another policy than the one in force, and were not asked about since it came: the server died or could not write meanwhile. @throws {MayflyError} STORE_UNWRITABLE */
  async left(by: Actor): Promise<void> {
    const hash = this.#deps.policyHash()
    const isLeft = ({ id, decision }: Grant): boolean => decision !== undefined && decision.policyHash !== hash && this.#asked.get(id) !== hash
    for (const grant of this.#deps.index.all()) {
      if (!isRunning(grant) || !isLeft(grant)) continue
      await this.run(await this.#deps.decider(), { dryRun: false, only: isLeft }, by)
      return
    }
  }

  /** It is over. */
  forget(id: string): void {
    this.#asked.delete(id)
  }

  async #judge(grant: Grant, decider: PolicyDecider): Promise<Judgement | undefined> {
    const { directory, judge, time } = this.#deps
    const role = (await directory.roles()).get(grant.role)
    if (role === undefined) return undefined
    const attested = await judge.lastAttested(grant)
    // which probes hold is the agent's to say at once, and not a matter of this change
    const probes = role.probes.map((name) => ({ name, ok: true }))
    return await judge.judge('renew', { grant, role, attested: { ...attested, probes, progressSecondsAgo: 0 } }, time.nowMs(), { at: 'reevaluate', decider })
  }

  async #end(grant: Grant, judgement: Judgement | undefined, by: Actor): Promise<void> {
    const { store, ends } = this.#deps
    const reasons = judgement?.decision.reasons ?? ['role-gone']
    try {
      if (judgement !== undefined) await store.grants.recordDecision(grant.id, judgement.decision, judgement.asked, by)
      await ends.end(grant.id, { cause: 'policy_change', detail: reasons.join(', ') }, by.name)
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'NOT_FOUND') return // it ended by itself meanwhile, and was pruned
      throw error
    }
  }
}
