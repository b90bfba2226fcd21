import type { Duplex } from 'node:stream'
import { MayflyError } from '../core/errors.ts'
import type { StalenessClass } from '../core/revocation/freshness.ts'
import type { Authorizer } from '../verify/authorize.ts'
import type { RevocationSource } from '../verify/live-connections.ts'
import type { AcceptedSvid, RevocationChecker, revocationUnchecked } from '../verify/verify-svid.ts'
import { verifyX509Svid } from '../verify/verify-svid.ts'
import { holdConnection } from './connection-guard.ts'
import type { X509Source } from './x509-source.ts'

/** On which terms a peer is talked to. Both are required: there is no default that accepts. */
export interface PeerTerms {
  /** Which peers are wanted: `memberOf`, `exactly`, `oneOf`. */
  readonly allow: Authorizer
  /** What knows revocations. With a feed, the open connections of a revoked peer are cut too. */
  readonly revocation: RevocationSource | RevocationChecker | typeof revocationUnchecked
  /** How old the revocation state may be; `available` when absent. */
  readonly class?: StalenessClass
}

/**
 * Judges the peer of a finished handshake by the chain that it showed, DER, leaf first, and keeps the connection under guard from then
 * on. TLS has proven that it holds the key. @throws {MayflyError} PEER_REFUSED, PEER_REVOKED, NO_IDENTITY when this side has no bundles
 */
export function acceptPeer(source: X509Source, terms: PeerTerms, chain: readonly Uint8Array[], connection: Duplex): AcceptedSvid {
  const verdict = verifyX509Svid(chain, {
    bundles: source.bundles,
    allow: terms.allow,
    revocation: terms.revocation,
    nowMs: source.nowMs(),
    ...(terms.class === undefined ? {} : { class: terms.class }),
  })
  if (verdict.kind !== 'accepted') {
    const { log } = source.deps
    log.warn({ event: 'peer.refused', verdict }, 'a peer was refused')
    const id = 'id' in verdict ? verdict.id : undefined
    const revoked = verdict.kind === 'revoked' || verdict.kind === 'authority_revoked' || verdict.kind === 'superseded'
    throw new MayflyError(revoked ? 'PEER_REVOKED' : 'PEER_REFUSED', `the peer${id === undefined ? '' : ` ${id}`} was refused: ${'why' in verdict ? verdict.why : verdict.kind.replaceAll('_', ' ')}`, {
      details: { verdict: verdict.kind, ...(id === undefined ? {} : { id }) },
    })
  }
  Object.defineProperty(connection, peerKey, { value: verdict, configurable: true })
  holdConnection(terms.revocation, verdict, connection)
  return verdict
}

/** Who is at the other end of a connection that these helpers made or took, such as `request.socket`; `undefined` for any other. */
export function peerOf(connection: object | null | undefined): AcceptedSvid | undefined {
  // A property and not a map, because http2 shows its sockets through a proxy.
  const found: unknown = connection === null || connection === undefined ? undefined : Reflect.get(connection, peerKey)
  return found as AcceptedSvid | undefined // only `acceptPeer` sets it
}

const peerKey = Symbol('mayfly.peer')
