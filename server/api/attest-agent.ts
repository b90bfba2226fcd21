import type { AttestAgentRequest__Output } from '../../proto/generated/spire/api/server/agent/v1/AttestAgentRequest.ts'
import type { AttestAgentResponse } from '../../proto/generated/spire/api/server/agent/v1/AttestAgentResponse.ts'
import { maxMessageBytes } from '../../src/attest/json.ts'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Call } from '../../src/rpc/handlers.ts'
import type { Quota } from '../../src/rpc/quota.ts'
import { converse } from '../attest/conversation.ts'
import type { ProvenAgent } from '../attest/conversation.ts'
import type { NodeAttestor } from '../attest/node-attestor.ts'
import type { Store } from '../store/port.ts'
import type { Caller } from './caller.ts'
import { networkOf } from './caller-network.ts'
import { firstMessage } from './first-message.ts'
import { svidToWire } from './issuance.ts'
import type { Issued } from './issuance.ts'

export interface AttestAgentDeps {
  readonly store: Pick<Store, 'agents'>
  readonly attestors: readonly NodeAttestor[]
  readonly clock: Clock
  readonly log: Logger
  readonly trustDomain: TrustDomain
  readonly vouchers: () => readonly Uint8Array[]
  /** By address, before anything is looked at. */
  readonly attempts: Quota
  /** By agent, once it has proven itself: its key buys no more than a renewal would. */
  readonly renewals: Quota
  /** A CSR whose proof holds. @throws {MayflyError} CSR_INVALID */
  readonly checkCsr: (csr: Buffer | undefined) => Buffer
  readonly issue: (agentId: SpiffeId, csr: Buffer, signal: AbortSignal) => Promise<Issued>
}

/** The method AttestAgent: payload, challenges and their answers, and the agent's first SVID. Everything that can be wrong with the request is looked at before a secret is spent. */
export async function* attestAgent(requests: AsyncIterable<AttestAgentRequest__Output>, call: Call<Caller>, deps: AttestAgentDeps): AsyncGenerator<AttestAgentResponse> {
  const { clock, log, store, trustDomain } = deps
  const address = call.peer.kind === 'local' ? '' : call.peer.address.replace(/:\d+$/, '')
  deps.attempts.take(networkOf(call.peer), 1)
  const messages = requests[Symbol.asyncIterator]()
  const { params } = await firstMessage(messages, 'attestation request', clock, call.signal)
  const data = params?.data
  if (params === null || params === undefined || data === null || data === undefined) throw new MayflyError('INVALID_ARGUMENT', 'malformed param: missing attestation data')
  if (data.payload.length === 0 || data.payload.length > maxMessageBytes) throw new MayflyError('INVALID_ARGUMENT', 'malformed param: the attestation payload is empty or too long')
  const csr = deps.checkCsr(params.params?.csr)
  const attestor = attestorOf(data.type, deps.attestors)
  const answer = async (signal: AbortSignal): Promise<Uint8Array> => {
    const { challengeResponse } = await firstMessage(messages, 'answer to the challenge', clock, signal)
    if (challengeResponse === undefined) throw new MayflyError('ATTESTATION_INVALID', 'something else came than the answer to the challenge')
    return challengeResponse
  }
  const conversation = converse(attestor, data.payload, { address, signal: call.signal }, { clock, trustDomain, answer })
  const proven = yield* challenged(conversation, attestor, address, log)
  const { agentId, selectors, again } = proven
  if (again !== 'spent') {
    deps.renewals.take(agentId, 1)
    await store.agents.attest({ id: agentId, attestationType: attestor.type, selectors, once: again === 'once' }, clock.nowMs())
  }
  const issued = await deps.issue(agentId, csr, call.signal)
  log.info({ event: 'agent.attested', agentId, attestor: attestor.type, serial: toHex(issued.serial), notAfterMs: issued.notAfterMs }, 'agent attested')
  yield { result: { svid: svidToWire({ ...issued, chain: [...issued.chain, ...deps.vouchers()] }), reattestable: again === 'often' } }
}

/** Passes the challenges on; closes the conversation when the node goes away in the middle of it. */
async function* challenged(conversation: AsyncGenerator<Uint8Array, ProvenAgent>, attestor: NodeAttestor, address: string, log: Logger): AsyncGenerator<AttestAgentResponse, ProvenAgent> {
  try {
    let step = await told(conversation.next(), attestor, address, log)
    while (step.done !== true) {
      yield { challenge: Buffer.from(step.value) }
      step = await told(conversation.next(), attestor, address, log)
    }
    return step.value
  } finally {
    void conversation.throw(new MayflyError('CANCELLED', 'the node went away')).catch(() => undefined) // nobody is left to be told
  }
}

function attestorOf(type: string, attestors: readonly NodeAttestor[]): NodeAttestor {
  const found = attestors.find((attestor) => attestor.type === type)
  if (found !== undefined) return found
  throw new MayflyError('PRECONDITION_FAILED', `no node attestor ${JSON.stringify(type.slice(0, 64))} here`, { hint: `this server has: ${attestors.map((each) => each.type).join(', ')}` })
}

/** Says in the log why a node was not believed: whoever runs the server has to mend it. */
async function told<T>(step: Promise<T>, attestor: NodeAttestor, address: string, log: Logger): Promise<T> {
  try {
    return await step
  } catch (error) {
    if (error instanceof MayflyError) log.warn({ event: 'agent.refused', attestor: attestor.type, address, code: error.code, cause: error.message }, 'a node has not proven which agent it is')
    throw error
  }
}
