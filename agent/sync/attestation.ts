import { MayflyError } from '../../src/core/errors.ts'
import { trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import { exactly } from '../../src/verify/authorize.ts'
import { revocationUnchecked, verifyX509Svid } from '../../src/verify/verify-svid.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { agentSvidOf } from './agent-svid.ts'
import type { AgentSvid } from './agent-svid.ts'
import { bufferOf } from './wire.ts'
import { channelToServer } from './server-channel.ts'
import type { Trust } from './trust.ts'

const service = 'spire.api.server.agent.v1.Agent'
const timeoutMs = 15_000

/** Spends a join token for the agent's first SVID, over a key made here. @throws {MayflyError} TOKEN_INVALID, AGENT_BANNED, UNAVAILABLE */
export async function attestWithJoinToken(address: string, token: string, trust: Trust, clock: Clock, signal: AbortSignal): Promise<AgentSvid> {
  using channel = channelToServer(address, clock, trust, undefined, undefined)
  const key = PrivateKey.generate()
  async function* request(): AsyncGenerator<{ params: { data: { type: string; payload: Buffer }; params: { csr: Buffer } } }> {
    yield { params: { data: { type: 'join_token', payload: Buffer.from(token) }, params: { csr: bufferOf(buildCsr(key)) } } }
  }
  for await (const { result } of channel.bidi(service, 'AttestAgent', request(), { signal, timeoutMs })) {
    return accepted(key, result?.svid?.certChain ?? [], trust, clock)
  }
  throw new MayflyError('INTERNAL', 'the server ended the attestation without an answer')
}

/** A new SVID over a new key, for the agent that the channel belongs to. @throws {MayflyError} AGENT_BANNED, AGENT_EXPIRED, AGENT_NOT_ATTESTED, UNAVAILABLE */
export async function renewAgent(channel: RpcChannel, trust: Trust, clock: Clock, signal: AbortSignal): Promise<AgentSvid> {
  const key = PrivateKey.generate()
  const { svid } = await channel.unary(service, 'RenewAgent', { params: { csr: bufferOf(buildCsr(key)) } }, { signal, timeoutMs })
  return accepted(key, svid?.certChain ?? [], trust, clock)
}

function accepted(key: PrivateKey, chain: readonly Uint8Array[], trust: Trust, clock: Clock): AgentSvid {
  const svid = agentSvidOf(key, chain)
  const verdict = verifyX509Svid(chain, { bundles: trust.bundles, allow: exactly(svid.id), revocation: revocationUnchecked, nowMs: clock.nowMs() })
  if (verdict.kind === 'expired' || verdict.kind === 'not_yet_valid') {
    throw new MayflyError('CLOCK_JUMPED', `the new SVID of this agent is ${verdict.kind === 'expired' ? 'expired' : 'not valid yet'} by the clock of this host`, { hint: 'set the clock of this host or of the server' })
  }
  if (verdict.kind !== 'accepted' || trustDomainOf(svid.id) !== trust.trustDomain) {
    throw new MayflyError('CERTIFICATE_INVALID', `the server gave this agent an SVID that its own bundle refuses: ${'why' in verdict ? verdict.why : verdict.kind}`)
  }
  return svid
}
