import { MayflyError } from '../core/errors.ts'
import type { SpiffeId, TrustDomain } from '../core/spiffe-id.ts'
import { formatStreamPlace, hostPortOf, type StreamPlace } from '../core/stream-place.ts'
import { RpcChannel } from '../rpc/channel.ts'
import type { ChannelConfig } from '../rpc/channel.ts'
import { exactly, memberOf } from '../verify/authorize.ts'
import type { RevocationChecker } from '../verify/checker.ts'
import { revocationUnchecked } from '../verify/checker.ts'
import type { StreamSource } from '../verify/source-link.ts'
import { acceptPeer } from './peer.ts'
import { RevocationChannel } from './revocation-channel.ts'
import { contextOf } from './tls-identity.ts'
import type { X509Source } from './x509-source.ts'

/** How a relay is reached and known. */
export interface StreamChannelDeps extends Pick<ChannelConfig, 'clock'> {
  readonly trustDomain: TrustDomain
  /** This side's identity, for TLS. */
  readonly source: X509Source | undefined
  /** Which relay it must be; any member of the trust domain when absent. */
  readonly id?: SpiffeId
  /** What is known of revocations, however old: the news come over this very connection. */
  readonly revocations: () => RevocationChecker | undefined
}

/** Largest message: a part of a snapshot. */
const maxReceiveBytes = 4 * 1024 * 1024

/** A connection, made with the first call, to whoever serves the stream there. @throws {MayflyError} NO_IDENTITY when TLS is wanted and there is no identity to show */
export function streamChannel(place: StreamPlace, deps: StreamChannelDeps): RevocationChannel {
  const config: ChannelConfig = { clock: deps.clock, maxReceiveBytes, keepaliveMs: 10_000 }
  if (place.kind === 'unix') return new RevocationChannel(RpcChannel.connectUnix(place.path, config))
  if (place.kind === 'plain') return new RevocationChannel(RpcChannel.connectPlain(hostPortOf(place), config))
  const { source } = deps
  if (source === undefined) throw new MayflyError('NO_IDENTITY', `${formatStreamPlace(place)} is reached by TLS, and there is no identity to show`, { hint: 'name a Workload API that gives this program an SVID, or reach the relay over a Unix socket' })
  const allow = deps.id === undefined ? memberOf(deps.trustDomain) : exactly(deps.id)
  return new RevocationChannel(
    RpcChannel.connectTls({
      ...config,
      address: hostPortOf(place),
      context: () => contextOf(source),
      verifyPeer: (chain, socket) => {
        const { facts } = acceptPeer(source, { allow, revocation: revocationUnchecked }, chain, socket)
        const outcome = deps.revocations()?.check(facts)
        if (outcome?.kind === 'revoked' || outcome?.kind === 'authority_revoked') throw new MayflyError('PEER_REVOKED', `the SVID of the relay at ${hostPortOf(place)} is ${outcome.kind}`)
      },
    }),
  )
}

/** The same as a source of a verifier's feed. */
export function streamSourceOver(name: string, channel: RevocationChannel): StreamSource {
  return {
    name,
    open: (position, signal) => channel.frames(position, signal),
    time: (nonce, signal) => channel.time([nonce], signal),
    report: (reports, signal) => channel.reports(reports, signal),
  }
}
