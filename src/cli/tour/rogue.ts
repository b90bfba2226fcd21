import { createSecureContext } from 'node:tls'

import type { AttestAgentResponse__Output as AttestAgentResponse } from '../../../proto/generated/spire/api/server/agent/v1/AttestAgentResponse.ts'
import { MayflyError } from '../../core/errors.ts'
import { parseSpiffeId, parseTrustDomain, serverIdOf } from '../../core/spiffe-id.ts'
import type { SpiffeId } from '../../core/spiffe-id.ts'
import type { Clock } from '../../ports/clock.ts'
import { RpcChannel } from '../../rpc/channel.ts'
import { BundleSet, exactly, revocationUnchecked, verifyX509Svid } from '../../verify/index.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../x509/pem.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import { idFromWire } from '../ids.ts'

/** How the attacker reaches the server: as an agent would, over mTLS. */
export interface Door {
  readonly address: string
  readonly trustDomain: string
  readonly authorities: readonly Uint8Array[]
  readonly clock: Clock
}

/** A credential in the attacker's hands. */
export interface Loot {
  readonly id: SpiffeId
  readonly key: PrivateKey
  readonly chain: readonly Uint8Array[]
}

/** A connection to the server with a stolen credential, or with none. */
export function openDoor(door: Door, loot?: Loot): RpcChannel {
  const trustDomain = parseTrustDomain(door.trustDomain)
  const bundles = BundleSet.of({ trustDomain, x509Authorities: door.authorities })
  return RpcChannel.connectTls({
    address: door.address,
    clock: door.clock,
    unaryTimeoutMs: 5_000,
    context: () => createSecureContext({ minVersion: 'TLSv1.2', ...(loot === undefined ? {} : { key: loot.key.toPem(), cert: encodeCertificatesPem(loot.chain) }) }),
    verifyPeer: (chain) => {
      const verdict = verifyX509Svid(chain, { bundles, allow: exactly(serverIdOf(trustDomain)), revocation: revocationUnchecked, issuedHere: true, nowMs: door.clock.nowMs() })
      if (verdict.kind !== 'accepted') throw new MayflyError('UNAUTHENTICATED', `the server's certificate is ${verdict.kind}`)
    },
  })
}

/** Joins as an agent with a token. @throws {MayflyError} what the server said */
export async function joinAs(door: Door, token: string, csrOf: (key: PrivateKey) => Uint8Array = buildCsr): Promise<Loot> {
  const key = PrivateKey.generate()
  using server = openDoor(door)
  const answer = await firstAnswer(server, token, csrOf(key))
  const { svid } = answer.result ?? {}
  if (svid === undefined || svid === null) throw new MayflyError('INTERNAL', 'the server answered without an SVID')
  return { id: parseSpiffeId(idFromWire(svid.id)), key, chain: svid.certChain }
}

async function firstAnswer(server: RpcChannel, token: string, csr: Uint8Array): Promise<AttestAgentResponse> {
  const asked = Promise.withResolvers<void>()
  const requests = async function* () {
    yield { params: { data: { type: 'join_token', payload: Buffer.from(token) }, params: { csr: Buffer.from(csr) } } }
    await asked.promise // SPIRE's agents leave the stream open until they are answered
  }
  try {
    for await (const answer of server.bidi('spire.api.server.agent.v1.Agent', 'AttestAgent', requests(), { timeoutMs: 5_000 })) return answer
  } finally {
    asked.resolve()
  }
  throw new MayflyError('UNAVAILABLE', 'the server hung up without an answer')
}

/** A request whose signature is by the attacker's key and whose public key is somebody else's. */
export function csrForKeyOf(victim: PrivateKey): (key: PrivateKey) => Uint8Array {
  return (key) => {
    const csr = Buffer.from(buildCsr(key))
    const at = csr.indexOf(Buffer.from(key.spki))
    Buffer.from(victim.spki).copy(csr, at)
    return csr
  }
}
