import { MayflyError } from '../../src/core/errors.ts'
import { serverIdOf } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { secureContextOf } from '../../src/rpc/tls-context.ts'
import { exactly } from '../../src/verify/authorize.ts'
import type { RevocationReader } from '../../src/verify/reader.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import type { AgentSvid } from './agent-svid.ts'
import type { Trust } from './trust.ts'

/** Largest message from the server: a part of a snapshot of entries or of revocations. */
const maxReceiveBytes = 16 * 1024 * 1024

/** Calls to nobody known: only to ask for the bundle, which is then held against the pin, and never to send a secret. */
export function channelWithoutTrust(address: string, clock: Clock): RpcChannel {
  return RpcChannel.connectTls({ address, clock, maxReceiveBytes, context: () => secureContextOf(undefined), verifyPeer: () => undefined })
}

/**
 * Calls to exactly `spiffe://<trust domain>/spire/server`. Its SVID is checked against the bundle, and against the revocations as far
 * as they are known: an authority that they do not list yet is no refusal, because the news of it come over this very channel.
 */
export function channelToServer(address: string, clock: Clock, trust: Trust, svid: AgentSvid | undefined, revocations: RevocationReader | undefined): RpcChannel {
  return RpcChannel.connectTls({
    address,
    clock,
    maxReceiveBytes,
    context: () => secureContextOf(svid === undefined ? undefined : { certificateChain: svid.chain, privateKey: svid.key.keyObject }),
    verifyPeer: (chain) => verifyServer(chain, clock, trust, revocations),
  })
}

/** @throws {MayflyError} UNAUTHENTICATED */
function verifyServer(chain: readonly Uint8Array[], clock: Clock, trust: Trust, revocations: RevocationReader | undefined): void {
  const verdict = verifyX509Svid(chain, { bundles: trust.bundles, allow: exactly(serverIdOf(trust.trustDomain)), revocation: revocationUnchecked, issuedHere: true, nowMs: clock.nowMs() })
  if (verdict.kind !== 'accepted') throw new MayflyError('UNAUTHENTICATED', `the server is not ${serverIdOf(trust.trustDomain)}: ${'why' in verdict ? verdict.why : verdict.kind}`)
  if (revocations?.freshness() === undefined) return
  const outcome = revocations.check(verdict.facts)
  if (outcome.kind === 'revoked' || outcome.kind === 'authority_revoked') throw new MayflyError('UNAUTHENTICATED', `the SVID of the server is ${outcome.kind}`)
}
