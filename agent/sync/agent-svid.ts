import { equalBytes, toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { isAgentId, parseSpiffeId } from '../../src/core/spiffe-id.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { PrivateKey } from '../../src/x509/private-key.ts'

/** The agent's own identity. */
export interface AgentSvid {
  readonly id: SpiffeId
  readonly key: PrivateKey
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** Hexadecimal. */
  readonly serial: string
  /** As the certificate says: before the moment it was issued, by what the issuer backdates. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** @throws {MayflyError} CERTIFICATE_INVALID when the chain is not that of this key or not an agent's */
export function agentSvidOf(key: PrivateKey, chain: readonly Uint8Array[]): AgentSvid {
  const [leafDer] = chain
  if (leafDer === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'there is no certificate of the agent')
  const leaf = parseCertificate(leafDer)
  if (!equalBytes(leaf.spki, key.spki)) throw new MayflyError('CERTIFICATE_INVALID', 'the certificate of the agent is over another key')
  const [uri, ...more] = leaf.extensions.subjectAltName?.uris ?? []
  if (uri === undefined || more.length > 0) throw new MayflyError('CERTIFICATE_INVALID', 'the certificate of the agent has not one SPIFFE ID')
  const id = parseSpiffeId(uri)
  if (!isAgentId(id)) throw new MayflyError('CERTIFICATE_INVALID', `${id} is not the ID of an agent`)
  return { id, key, chain, serial: toHex(leaf.serial), notBeforeMs: leaf.notBeforeMs, notAfterMs: leaf.notAfterMs }
}
