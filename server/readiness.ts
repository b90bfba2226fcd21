import type { ReadyCheck } from '../src/metrics/metrics-http.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { AuthoritySet } from './ca/authorities.ts'
import type { StoreHealth } from './store-health.ts'
import type { Store } from './store/port.ts'

/** A store that was written to so lately is not asked again: each look is an fsync. */
const storeTrustMs = 5_000
/** A store that takes longer is not one to serve from. */
const storeLimitMs = 2_000

/** What is looked at of a server. */
export interface ReadinessParts {
  readonly store: Pick<Store, 'journal'>
  readonly storeHealth: Pick<StoreHealth, 'refusal'>
  readonly authorities: Pick<AuthoritySet, 'active'>
  readonly rolledBack: () => boolean
}

/** What `/ready` looks at: a store that refused no change just now and takes a write that is durable, an authority that signs, and a history that nobody knows more of. */
export function readiness({ store, storeHealth, authorities, rolledBack }: ReadinessParts, clock: Clock): () => Promise<readonly ReadyCheck[]> {
  let known: ReadyCheck | undefined
  let lookedBootMs = 0
  const storeCheck = async (): Promise<ReadyCheck> => {
    const { refusal } = storeHealth // a disk may have room for one write and none for a larger
    if (refusal !== undefined) return { name: 'store', ok: false, detail: refusal.message }
    if (known === undefined || !known.ok || clock.bootMs() - lookedBootMs > storeTrustMs) {
      lookedBootMs = clock.bootMs()
      known = await writes(store, clock)
    }
    return known
  }
  return async () => [await storeCheck(), authorityCheck(authorities), historyCheck(rolledBack())]
}

async function writes({ journal }: Pick<Store, 'journal'>, clock: Clock): Promise<ReadyCheck> {
  const over = new AbortController()
  const late = clock.sleep(storeLimitMs, over.signal).then(
    () => `no answer within ${storeLimitMs} ms`,
    () => '', // it answered
  )
  const why = await Promise.race([late, journal.probe().then(() => '', (error: unknown) => (error instanceof Error ? error.message : String(error)))])
  over.abort()
  return { name: 'store', ok: why === '', detail: why === '' ? 'takes changes' : why }
}

/** A server that was copied back issues nothing and is silent on the stream. */
function historyCheck(rolledBack: boolean): ReadyCheck {
  return { name: 'history', ok: !rolledBack, detail: rolledBack ? 'SERVER_ROLLED_BACK: stop it and restore it' : 'nobody was shown a later one' }
}

function authorityCheck(authorities: Pick<AuthoritySet, 'active'>): ReadyCheck {
  try {
    return { name: 'authority', ok: true, detail: `${authorities.active().id.slice(0, 16)} signs` }
  } catch (error) {
    return { name: 'authority', ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}
