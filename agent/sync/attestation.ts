import { MayflyError } from '../../src/core/errors.ts'
import { trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import type { Request } from '../../src/rpc/services.ts'
import { exactly } from '../../src/verify/authorize.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import type { NodeAttestor } from '../node/node-attestor.ts'
import { Wake } from '../wake.ts'
import { agentSvidOf } from './agent-svid.ts'
import type { AgentSvid } from './agent-svid.ts'
import { bufferOf } from './wire.ts'
import { channelToServer } from './server-channel.ts'
import type { Trust } from './trust.ts'

const service = 'spire.api.server.agent.v1.Agent'
const timeoutMs = 15_000
/** The server may have to ask this node, and the node a slow disk. */
const attestTimeoutMs = 45_000

/**
 * Proves to the server which agent this is, for the agent's first SVID, over a key made here.
 * @throws {MayflyError} TOKEN_INVALID, ATTESTATION_REFUSED, ATTESTED_BEFORE, AGENT_BANNED, UNAVAILABLE, and what the attestor finds wrong on this node
 */
export async function attestNode(address: string, attestor: NodeAttestor, trust: Trust, clock: Clock, signal: AbortSignal): Promise<AgentSvid> {
  using channel = channelToServer(address, clock, trust, undefined, undefined)
  const key = PrivateKey.generate()
  const proving = attestor.attest(signal)
  const answers = new Answers()
  try {
    const payload = saidBy(attestor, await proving.next(noChallenge))
    answers.send({ params: { data: { type: attestor.type, payload }, params: { csr: bufferOf(buildCsr(key)) } } })
    for await (const { challenge, result } of channel.bidi(service, 'AttestAgent', answers.sent(), { signal, timeoutMs: attestTimeoutMs })) {
      if (challenge === undefined) return accepted(key, result?.svid?.certChain ?? [], trust, clock)
      answers.send({ challengeResponse: saidBy(attestor, await proving.next(challenge)) })
    }
    throw new MayflyError('INTERNAL', 'the server ended the attestation without an answer')
  } finally {
    answers.end()
    await proving.return()
  }
}

/** What an attestation is begun with is never seen. */
const noChallenge = new Uint8Array(0)

function saidBy({ type }: NodeAttestor, step: IteratorResult<Uint8Array, void>): Buffer {
  if (step.done === true) throw new MayflyError('ATTESTATION_INVALID', `the server asks this node for more than ${type} has to say`)
  return bufferOf(step.value)
}

type AttestRequest = Request<typeof service, 'AttestAgent'>

/** What is sent on the stream, as it comes to be said. */
class Answers {
  readonly #waiting: AttestRequest[] = []
  readonly #wake = new Wake()
  #ended = false

  send(message: AttestRequest): void {
    this.#waiting.push(message)
    this.#wake.ring()
  }

  end(): void {
    this.#ended = true
    this.#wake.ring()
  }

  async *sent(): AsyncGenerator<AttestRequest> {
    while (!this.#ended) {
      const next = this.#waiting.shift()
      if (next === undefined) await this.#wake.rung()
      else yield next
    }
  }
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
