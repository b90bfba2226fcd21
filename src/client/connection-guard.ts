import type { Duplex } from 'node:stream'
import { MayflyError } from '../core/errors.ts'
import { stalenessLimitMs, type Freshness, type StalenessClass } from '../core/revocation/freshness.ts'
import type { Clock } from '../ports/clock.ts'
import type { CutReason, RevocationSource } from '../verify/live-connections.ts'
import { LiveConnections } from '../verify/live-connections.ts'
import type { RevocationChecker, revocationUnchecked } from '../verify/checker.ts'
import type { AcceptedSvid } from '../verify/verify-svid.ts'
import { AgeWatch } from './age-watch.ts'

/**
 * Open connections under one source of revocations. Those of a peer that is revoked are cut at once; a superseded peer's stay. Those accepted
 * under `strict` or `standard` are cut too once the source knows nothing newer than that class allows; under `available` they stay.
 */
export class ConnectionGuard {
  readonly #live: LiveConnections
  readonly #ages: AgeWatch

  constructor(source: RevocationSource, clock: Clock) {
    this.#live = new LiveConnections(source)
    this.#ages = new AgeWatch(source, clock)
  }

  /** Holds a connection whose peer was just accepted until it closes. When it is ended here it is destroyed with PEER_REVOKED, or with PEER_REFUSED for want of news. */
  hold(peer: AcceptedSvid, connection: Duplex): void {
    const { id, serial, class: limit } = peer
    const isLoose = limit !== 'strict' && limit !== 'standard'
    const cut = (reason: CutReason): void => {
      const refusal = reason === 'unsure' ? new MayflyError('PEER_REFUSED', `the peer ${id} may have been revoked: its SVID has expired, and news of revocations was missed`, { details: { id, serial, verdict: 'stale' } }) : undefined
      connection.destroy(refusal ?? new MayflyError('PEER_REVOKED', `the peer ${id} was revoked`, { details: { id, serial, reason } }))
    }
    const live = this.#live.add(peer.facts, cut, isLoose ? 'stays' : 'cut')
    const ageing =
      limit === 'strict' || limit === 'standard'
        ? this.#ages.add(limit, (known) => {
            connection.destroy(new MayflyError('PEER_REFUSED', `the peer ${id} may have been revoked: ${outdated(known, limit)}, and class ${limit} does not allow that`, { details: { id, serial, verdict: 'stale' } }))
          })
        : undefined
    const letGo = (): void => {
      live[Symbol.dispose]()
      ageing?.[Symbol.dispose]()
    }
    if (connection.destroyed) letGo()
    else connection.once('close', letGo)
  }

  /** Connections held. */
  get size(): number {
    return this.#live.size
  }
}

function outdated(known: Freshness | undefined, limit: StalenessClass): string {
  if (known === undefined) return 'nothing was heard at all'
  return known.ageMs > stalenessLimitMs[limit] ? `nothing was heard for ${(known.ageMs / 1_000).toFixed(0)} s` : 'nobody says what the time of the stream is'
}

/** The guard of a source of revocations, one for all that use it; `undefined` when it does not tell of revocations as they come. */
export function guardOf(revocation: RevocationSource | RevocationChecker | typeof revocationUnchecked, clock: Clock): ConnectionGuard | undefined {
  if (typeof revocation === 'symbol' || !('onRevoked' in revocation)) return undefined
  let guard = guards.get(revocation)
  if (guard === undefined) guards.set(revocation, (guard = new ConnectionGuard(revocation, clock)))
  return guard
}

const guards = new WeakMap<RevocationSource, ConnectionGuard>()
