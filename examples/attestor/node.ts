import { createHmac, timingSafeEqual } from 'node:crypto'
import type { NodeAttestor as Answering } from '../../agent/node/node-attestor.ts'
import type { NodeAttestor as Asking } from '../../server/attest/node-attestor.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { spiffeIdOf } from '../../src/core/spiffe-id.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Random } from '../../src/ports/random.ts'

const type = 'machine_secret'
const nonceBytes = 32

/** The server's half: it knows the secret of each machine by the machine's name. */
export function askingForSecret(deps: { readonly random: Random; readonly trustDomain: TrustDomain; readonly secretOf: (machine: string) => Uint8Array | undefined }): Asking {
  return {
    type,
    async *prove(payload) {
      const machine = Buffer.from(payload).toString('latin1')
      if (!/^[a-z][a-z0-9-]{0,31}$/.test(machine)) throw new MayflyError('ATTESTATION_INVALID', 'the payload is not the name of a machine')
      const secret = deps.secretOf(machine)
      if (secret === undefined) throw new MayflyError('ATTESTATION_REFUSED', 'no machine has this name')
      const nonce = deps.random.bytes(nonceBytes)
      const answer = yield nonce
      const expected = proofOf(secret, machine, nonce)
      if (answer.length !== expected.length || !timingSafeEqual(answer, expected)) throw new MayflyError('ATTESTATION_REFUSED', 'the answer was not made with the secret of this machine')
      return { agentId: spiffeIdOf(deps.trustDomain, `/spire/agent/${type}/${machine}`), selectorValues: [`name:${machine}`], again: 'often' }
    },
  }
}

/** The agent's half: it answers for one machine. */
export function answeringWithSecret(machine: string, secret: Uint8Array): Answering {
  return {
    type,
    again: true,
    async *attest() {
      const nonce = yield new TextEncoder().encode(machine)
      if (nonce.length !== nonceBytes) throw new MayflyError('ATTESTATION_INVALID', 'the challenge is not a number of 32 bytes')
      yield proofOf(secret, machine, nonce)
    },
  }
}

function proofOf(secret: Uint8Array, machine: string, nonce: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update('mayfly machine secret\0').update(machine).update('\0').update(nonce).digest()
}
