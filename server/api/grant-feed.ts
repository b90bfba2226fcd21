import type { Grant as WireGrant } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { ServerMessage } from '../../proto/generated/mayfly/v1/ServerMessage.ts'
import type { Grant } from '../../src/core/grant/grant.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Grants } from '../grants/grants.ts'
import type { Policies } from '../policy/policies.ts'
import { Wakeup } from './wakeup.ts'

const atOnce = 100

/** All grants of an agent that are not over, the last part marked; then each as it changes, the latest of each where the agent is slow. */
export async function* grantChanges(agentId: SpiffeId, signal: AbortSignal, grants: Pick<Grants, 'index'>, toWire: (grant: Grant) => Promise<WireGrant>): AsyncGenerator<ServerMessage> {
  const changed = new Map<string, Grant>()
  const wakeup = new Wakeup()
  using following = grants.index.onChange((grant) => {
    if (grant.agentId !== agentId) return
    changed.set(grant.id, grant)
    wakeup.wake()
  })
  void following // held until the agent has gone
  const all = grants.index.ofAgent(agentId)
  for (let at = 0; at < all.length; at += atOnce) yield { grants: { grants: await Promise.all(all.slice(at, at + atOnce).map(toWire)), complete: false } }
  yield { grants: { grants: [], complete: true } }
  while (!signal.aborted) {
    await wakeup.wait(signal)
    while (changed.size > 0) {
      const part = [...changed.values()].slice(0, atOnce)
      for (const { id } of part) changed.delete(id)
      yield { grants: { grants: await Promise.all(part.map(toWire)), complete: false } }
    }
  }
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
