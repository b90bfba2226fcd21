import type { Grant } from '../../src/core/grant/grant.ts'
import { isWider } from '../../src/core/grant/request.ts'
import type { GrantStore } from '../store/grant-port.ts'

/** What became of the requests of one task within the last hour: those of a process, also when it had another one bound, and those below one grant, whichever of its processes asked. */
export interface History {
  readonly denials: number
  readonly expiries: number
  /** What policy and people see of a request that reaches further than one that failed. */
  readonly flags: readonly string[]
}

const reachMs = 3_600_000
/** More requests of one task in an hour are counted as far as these. */
const maxLooked = 200

/** Looks at the record, so that neither a restart of the server nor of the agent forgets a denial. */
export async function historyOf(store: { readonly grants: GrantStore }, wish: Pick<Grant, 'agentId' | 'instance' | 'parentId' | 'intent' | 'budget'>, nowMs: number): Promise<History> {
  const { items } = await store.grants.list({ agentId: wish.agentId, task: wish, sinceMs: nowMs - reachMs }, { size: maxLooked })
  const denied = items.filter(({ state }) => state === 'denied')
  const expired = items.filter(hasExpired)
  const flags = [
    ...(denied.some((earlier) => isWider(wish, earlier)) ? ['wider_after_denial'] : []),
    ...(expired.some((earlier) => isWider(wish, earlier)) ? ['wider_after_expiry'] : []),
  ]
  return { denials: denied.length, expiries: expired.length, flags }
}

/** Its time was over, or it was taken away while it waited. One that its requester withdrew, or that waited for an owner who handed over, says nothing about who asked. */
function hasExpired({ state, cause, endedAtMs, lapsesAtMs }: Grant): boolean {
  return cause === 'timeout' || (state === 'lapsed' && (cause !== '' || endedAtMs >= lapsesAtMs))
}
