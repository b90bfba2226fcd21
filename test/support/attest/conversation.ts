import { converse } from '../../../server/attest/conversation.ts'
import type { ProvenAgent } from '../../../server/attest/conversation.ts'
import type { NodeAttestor as Asking } from '../../../server/attest/node-attestor.ts'
import type { NodeAttestor as Answering } from '../../../agent/node/node-attestor.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../../src/core/spiffe-id.ts'
import type { Clock } from '../../../src/ports/clock.ts'

export const trustDomain: TrustDomain = parseTrustDomain('example.org')

/** What a hostile node says in place of what the honest one would. */
export interface Lies {
  readonly payload?: (honest: Uint8Array) => Uint8Array
  readonly answer?: (honest: Uint8Array) => Uint8Array | Promise<Uint8Array>
  readonly address?: string
}

/** Both halves of an attestor talk to each other, as they would over the wire. */
export async function talk(asking: Asking, answering: Answering, clock: Clock, lies: Lies = {}): Promise<ProvenAgent> {
  const gone = new AbortController()
  const proving = answering.attest(gone.signal)
  try {
    let said = await proving.next(new Uint8Array(0))
    if (said.done === true) throw new Error('the node says nothing')
    const payload = lies.payload?.(said.value) ?? said.value
    let challenge: Uint8Array = new Uint8Array(0)
    const answer = async (): Promise<Uint8Array> => {
      said = await proving.next(challenge)
      if (said.done === true) throw new Error('the node has no answer')
      return (await lies.answer?.(said.value)) ?? said.value
    }
    const conversation = converse(asking, payload, { address: lies.address ?? '192.0.2.7', signal: gone.signal }, { clock, trustDomain, answer })
    for (;;) {
      const step = await conversation.next()
      if (step.done === true) return step.value
      challenge = step.value
    }
  } finally {
    gone.abort()
    await proving.return()
  }
}
