import { maxMessageBytes } from '../../src/attest/json.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { checkSelector } from '../../src/core/selector.ts'
import type { Selector } from '../../src/core/selector.ts'
import { hasGrantSegment, isAgentId, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { AttestingNode, NodeAttestor, NodeProof } from './node-attestor.ts'

export interface ConversationDeps {
  readonly clock: Clock
  readonly trustDomain: TrustDomain
  /** The next answer of the node. @throws {MayflyError} DEADLINE_EXCEEDED, INVALID_ARGUMENT */
  readonly answer: (signal: AbortSignal) => Promise<Uint8Array>
}

/** What a conversation has proven, fit to be recorded. */
export interface ProvenAgent {
  readonly agentId: SpiffeId
  readonly selectors: readonly Selector[]
  readonly again: NodeProof['again']
}

const limitMs = 30_000
const maxChallenges = 4
const maxSelectors = 100
const maxSelectorChars = 512

/**
 * Lets an attestor talk to a node: yields each challenge, waits for its answer, and returns what was proven. Bounded in time, turns and sizes, whatever the attestor is.
 * @throws {MayflyError} what the attestor refuses; ATTESTATION_INVALID, DEADLINE_EXCEEDED; INTERNAL when it proves what it may not
 */
export async function* converse(attestor: NodeAttestor, payload: Uint8Array, node: AttestingNode, deps: ConversationDeps): AsyncGenerator<Uint8Array, ProvenAgent, undefined> {
  const over = new AbortController()
  const signal = AbortSignal.any([node.signal, over.signal])
  const late = new MayflyError('DEADLINE_EXCEEDED', `this node did not prove itself within ${limitMs / 1_000} s`)
  const limit = deps.clock.sleep(limitMs, signal).then(() => {
    over.abort(late)
    throw late
  })
  limit.catch(() => undefined) // told by the race below
  const proving = attestor.prove(payload, { ...node, signal })
  try {
    let step = await Promise.race([proving.next(noAnswer), limit])
    for (let turn = 0; step.done !== true; turn++) {
      if (turn === maxChallenges) throw new MayflyError('INTERNAL', `the attestor ${attestor.type} asks more than ${maxChallenges} times`)
      yield step.value
      const answer = await Promise.race([deps.answer(signal), limit])
      if (answer.length === 0 || answer.length > maxMessageBytes) throw new MayflyError('ATTESTATION_INVALID', `the answer to the challenge is empty or longer than ${maxMessageBytes} bytes`)
      step = await Promise.race([proving.next(answer), limit])
    }
    return provenBy(attestor.type, step.value, deps.trustDomain)
  } finally {
    over.abort(late)
    void proving.throw(late).catch(() => undefined) // it is over, or was given up: whoever waits was told why
  }
}

/** What a generator is begun with is never seen. */
const noAnswer = new Uint8Array(0)

function provenBy(type: string, { agentId, selectorValues, again }: NodeProof, trustDomain: TrustDomain): ProvenAgent {
  if (trustDomainOf(agentId) !== trustDomain || !isAgentId(agentId) || hasGrantSegment(agentId)) throw new MayflyError('INTERNAL', `the attestor ${type} proves ${agentId}, which is the ID of no agent`)
  if (selectorValues.length > maxSelectors) throw new MayflyError('INTERNAL', `the attestor ${type} gives more than ${maxSelectors} selectors`)
  // A value that came from a certificate and is no fit selector is left out: an entry that asks for it does not match.
  const fit = [...new Set(selectorValues)].filter((value) => value !== '' && value.length <= maxSelectorChars && !/\p{C}/u.test(value))
  return { agentId, selectors: fit.map((value) => checkSelector({ type, value })), again }
}
