import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { MayflyError } from '../core/errors.ts'
import type { StalenessClass } from '../core/revocation/freshness.ts'
import type { SpiffeId } from '../core/spiffe-id.ts'
import type { Authorizer } from '../verify/authorize.ts'
import type { RevocationsElsewhere } from '../verify/elsewhere.ts'
import { foreignStream, ofAuthority } from '../verify/elsewhere.ts'
import type { RevocationSource } from '../verify/live-connections.ts'
import type { RevocationChecker, revocationUnchecked } from '../verify/checker.ts'
import type { AcceptedSvid, Verdict } from '../verify/verify-svid.ts'
import { verifyX509Svid } from '../verify/verify-svid.ts'
import { SignedCrl } from '../x509/signed-crl.ts'
import { guardOf } from './connection-guard.ts'
import type { X509Source } from './x509-source.ts'

/** On which terms a peer is talked to. Both are required: there is no default that accepts. */
export interface PeerTerms {
  /** Which peers are wanted: `memberOf`, `exactly`, `oneOf`. */
  readonly allow: Authorizer
  /** What knows revocations. With a feed, the open connections of a revoked peer are cut too. */
  readonly revocation: RevocationSource | RevocationChecker | typeof revocationUnchecked
  /** Who knows the revocations of other trust domains, or of authorities that the stream does not list: without it their peers are refused, `unindexed`. With feeds, their open connections are cut too; lists cut none. */
  readonly elsewhere?: readonly RevocationsElsewhere[]
  /** How old the revocation state may be, for a new connection and, but for `available`, for an open one; the feed's own class when that is stricter, `available` when neither says. */
  readonly class?: StalenessClass
}

/**
 * Judges the peer of a finished handshake by the chain that it showed, DER, leaf first, and keeps the connection under guard from then
 * on. TLS has proven that it holds the key; that of a resumed session proved it before, and `strict` takes none such. @throws {MayflyError} PEER_REFUSED, PEER_REVOKED, NO_IDENTITY when this side has no bundles
 */
export function acceptPeer(source: X509Source, terms: PeerTerms, chain: readonly Uint8Array[], connection: Duplex): AcceptedSvid {
  const verdict = verifyX509Svid(chain, {
    bundles: source.bundles,
    allow: terms.allow,
    revocation: terms.revocation,
    nowMs: source.nowMs(),
    ...(terms.class === undefined ? {} : { class: terms.class }),
    ...(terms.elsewhere === undefined ? {} : { elsewhere: terms.elsewhere }),
  })
  if (verdict.kind !== 'accepted') throw refused(source, verdict)
  // A resumed session has proven its key once, some time ago, and shows the chain of then.
  if (verdict.class === 'strict' && connection instanceof TLSSocket && connection.isSessionReused()) throw refused(source, { kind: 'resumed', id: verdict.id })
  Object.defineProperty(connection, peerKey, { value: verdict, configurable: true })
  if (verdict.stale) source.deps.log.warn({ event: 'peer.stale', id: verdict.id, serial: verdict.serial, ageMs: verdict.ageMs }, 'a peer was accepted on old knowledge of revocations')
  for (const revocation of speakers(terms, verdict)) guardOf(revocation, source.deps.clock)?.hold(verdict, connection)
  return verdict
}

/** Who may end the connection: the stream of the peer's trust domain, if it has one here; else the own one, and whoever speaks for an authority that it does not list. */
function speakers({ revocation, elsewhere = [] }: PeerTerms, { facts }: AcceptedSvid): readonly (RevocationSource | RevocationChecker | typeof revocationUnchecked)[] {
  if (typeof revocation === 'symbol') return []
  const foreign = foreignStream(elsewhere, facts)
  if (foreign !== undefined) return [foreign]
  const other = revocation.check(facts).kind === 'unindexed' ? ofAuthority(elsewhere, facts) : undefined
  return other === undefined || other instanceof SignedCrl ? [revocation] : [revocation, other]
}

type Refusal = Exclude<Verdict, AcceptedSvid> | { readonly kind: 'resumed'; readonly id: SpiffeId }

function refused(source: X509Source, verdict: Refusal): MayflyError {
  source.deps.log.warn({ event: 'peer.refused', verdict }, 'a peer was refused')
  const id = 'id' in verdict ? verdict.id : undefined
  const isRevoked = verdict.kind === 'revoked' || verdict.kind === 'authority_revoked' || verdict.kind === 'superseded'
  return new MayflyError(isRevoked ? 'PEER_REVOKED' : 'PEER_REFUSED', `the peer${id === undefined ? '' : ` ${id}`} was refused: ${'why' in verdict ? verdict.why : verdict.kind.replaceAll('_', ' ')}`, {
    details: { verdict: verdict.kind, ...(id === undefined ? {} : { id }) },
  })
}

/** Who is at the other end of a connection that these helpers made or took, such as `request.socket`; `undefined` for any other. */
export function peerOf(connection: object | null | undefined): AcceptedSvid | undefined {
  // A property and not a map, because http2 shows its sockets through a proxy.
  const found: unknown = connection === null || connection === undefined ? undefined : Reflect.get(connection, peerKey)
  return found as AcceptedSvid | undefined // only `acceptPeer` sets it
}

const peerKey = Symbol('mayfly.peer')
