import type { GrantTerms } from '../../proto/generated/mayfly/v1/GrantTerms.ts'
import type { Grant as WireGrant } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { ServerMessage } from '../../proto/generated/mayfly/v1/ServerMessage.ts'
import type { Grant } from '../../src/core/grant/grant.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Grants } from '../grants/grants.ts'
import { isRunning } from '../grants/grant-index.ts'
import { stepTermsOf } from '../grants/step-terms.ts'
import type { Policies } from '../policy/policies.ts'
import { Wakeup } from './wakeup.ts'
import { termsToWire } from './wire-grant.ts'

const atOnce = 100

/**
 * All grants of an agent that are not over, the last part marked; then each as it changes, the latest of each where the agent is slow. What the steps of those that run are decided
 * by comes with all, and again when a role or an exception is another (invariant 10).
 */
export async function* grantChanges(agentId: SpiffeId, signal: AbortSignal, grants: Pick<Grants, 'index' | 'directory' | 'nowMs'>, toWire: (grant: Grant) => Promise<WireGrant>): AsyncGenerator<ServerMessage> {
  const { index, directory } = grants
  const changed = new Map<string, Grant>()
  const wakeup = new Wakeup()
  let termsDue = false
  using followingTerms = directory.onTermsChange(() => {
    termsDue = true
    wakeup.wake()
  })
  void followingTerms // held until the agent has gone
  const termsOf = async (part: readonly Grant[]): Promise<GrantTerms[]> =>
    await Promise.all(part.filter(isRunning).map(async (grant) => ({ grantId: grant.id, terms: termsToWire(await stepTermsOf(grant, directory, grants.nowMs())) })))
  using following = index.onChange((grant) => {
    if (grant.agentId !== agentId) return
    changed.set(grant.id, grant)
    wakeup.wake()
  })
  void following // held until the agent has gone
  for (const part of partsOf(index.ofAgent(agentId))) yield { grants: { grants: await Promise.all(part.map(toWire)), complete: false, terms: await termsOf(part) } }
  yield { grants: { grants: [], complete: true } }
  while (!signal.aborted) {
    await wakeup.wait(signal)
    while (changed.size > 0) {
      const part = [...changed.values()].slice(0, atOnce)
      for (const { id } of part) changed.delete(id)
      yield { grants: { grants: await Promise.all(part.map(toWire)), complete: false } }
    }
    if (!termsDue) continue
    termsDue = false
    for (const part of partsOf(index.ofAgent(agentId))) {
      const terms = await termsOf(part)
      if (terms.length > 0) yield { grants: { grants: [], complete: false, terms } }
    }
  }
}

function partsOf(grants: readonly Grant[]): (readonly Grant[])[] {
  return Array.from({ length: Math.ceil(grants.length / atOnce) }, (_, part) => grants.slice(part * atOnce, (part + 1) * atOnce))
}

/** The policy in force, now and whenever another is. */
export async function* policyPushes(signal: AbortSignal, policies: Pick<Policies, 'inForce' | 'onApplied'>): AsyncGenerator<ServerMessage> {
  const wakeup = new Wakeup()
  using following = policies.onApplied(() => wakeup.wake())
  void following // held until the agent has gone
  let sent: string | undefined
  while (!signal.aborted) {
    const { hash, policies: texts } = policies.inForce
    if (hash !== sent) yield { policy: { hash, policies: JSON.stringify(texts) } }
    sent = hash
    await wakeup.wait(signal)
  }
}
