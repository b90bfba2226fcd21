import type { Duplex } from 'node:stream'
import { MayflyError } from '../core/errors.ts'
import type { RevocationSource } from '../verify/live-connections.ts'
import { LiveConnections } from '../verify/live-connections.ts'
import type { AcceptedSvid, RevocationChecker, revocationUnchecked } from '../verify/verify-svid.ts'

/** Open connections under one source of revocations: those of a peer that is revoked are cut at once; a superseded peer's stay. */
export class ConnectionGuard {
  readonly #live: LiveConnections

  constructor(source: RevocationSource) {
    this.#live = new LiveConnections(source)
  }

  /** Holds a connection whose peer was just accepted until it closes. When its peer is revoked it is destroyed with PEER_REVOKED. */
  hold(peer: AcceptedSvid, connection: Duplex): void {
    const held = this.#live.add(peer.facts, (reason) => {
      connection.destroy(new MayflyError('PEER_REVOKED', `the peer ${peer.id} was revoked`, { details: { id: peer.id, serial: peer.serial, reason } }))
    })
    if (connection.destroyed) held[Symbol.dispose]()
    else connection.once('close', () => held[Symbol.dispose]())
  }

  /** Connections held. */
  get size(): number {
    return this.#live.size
  }
}

/** The guard of a source of revocations, one for all that use it; `undefined` when it does not tell of revocations as they come. */
export function guardOf(revocation: RevocationSource | RevocationChecker | typeof revocationUnchecked): ConnectionGuard | undefined {
  if (typeof revocation === 'symbol' || !('onRevoked' in revocation)) return undefined
  let guard = guards.get(revocation)
  if (guard === undefined) guards.set(revocation, (guard = new ConnectionGuard(revocation)))
  return guard
}

export function holdConnection(revocation: RevocationSource | RevocationChecker | typeof revocationUnchecked, peer: AcceptedSvid, connection: Duplex): void {
  guardOf(revocation)?.hold(peer, connection)
}

const guards = new WeakMap<RevocationSource, ConnectionGuard>()
