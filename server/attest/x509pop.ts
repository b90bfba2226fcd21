import { createHash } from 'node:crypto'
import { formatX509popChallenge, isX509popAnswer, parseX509popAnswer, parseX509popPayload } from '../../src/attest/x509pop.ts'
import { nonceBytes } from '../../src/attest/nonces.ts'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import type { TrustAnchor } from '../../src/verify/bundle-set.ts'
import { parseChain, svidExtKeyUsages, validatePath } from '../../src/verify/path.ts'
import type { PeerChain } from '../../src/verify/path.ts'
import { isValidAt } from '../../src/x509/certificate.ts'
import type { Certificate } from '../../src/x509/certificate.ts'
import { keyUsageBit } from '../../src/x509/extensions.ts'
import { commonNameOf } from '../../src/x509/name.ts'
import { importPublicKey, keyKindOf } from '../../src/x509/spki.ts'
import type { AgentPath, x509popNames } from './agent-path.ts'
import type { AttestorLook, NodeAttestor, NodeProof } from './node-attestor.ts'

export interface X509popDeps {
  readonly clock: Clock
  readonly random: Random
  readonly trustDomain: TrustDomain
  readonly agentPath: AgentPath<(typeof x509popNames)[number]>
  /** The authorities whose certificates count, read anew for each attestation. */
  readonly anchors: () => Promise<readonly TrustAnchor[]>
}

const anyExtKeyUsage = '2.5.29.37.0'

/**
 * Node attestor `x509pop`: whoever has the key of a certificate that one of the given authorities issued to the machine. The chain is validated by RFC 5280 before a
 * challenge is made; the answer signs the server's nonce and the agent's own, so neither can be replayed. As often as the node likes, while the certificate lasts.
 */
export class X509pop implements NodeAttestor {
  readonly type = 'x509pop'
  readonly #deps: X509popDeps

  constructor(deps: X509popDeps) {
    this.#deps = deps
  }

  async look(): Promise<AttestorLook> {
    const anchors = await this.#deps.anchors()
    return { authoritiesEndMs: Math.max(...anchors.map(({ certificate }) => certificate.notAfterMs)) }
  }

  async *prove(payload: Uint8Array): AsyncGenerator<Uint8Array, NodeProof, Uint8Array> {
    const { clock, random, trustDomain, agentPath, anchors } = this.#deps
    const chain = chainOf(parseX509popPayload(payload))
    const { leaf } = chain
    const { kind, scalarBytes } = checkLeaf(leaf, clock.nowMs())
    const authorities = authoritiesOf(chain, await anchors(), clock.nowMs())
    const nonce = random.bytes(nonceBytes)
    const answer = parseX509popAnswer(kind, yield formatX509popChallenge(kind, nonce), scalarBytes)
    if (!isX509popAnswer(kind, importPublicKey(leaf.spki), nonce, answer)) throw refused('the answer was not made with the key of the certificate')
    const commonName = commonNameOf(leaf.subject)
    const serial = toHex(leaf.serial)
    const names = { PluginName: this.type, Fingerprint: fingerprint('sha1', leaf), FingerprintSHA256: fingerprint('sha256', leaf), SerialNumberHex: serial, 'Subject.CommonName': commonName }
    return {
      agentId: agentPath.idOf(trustDomain, names),
      selectorValues: [
        ...(commonName === undefined ? [] : [`subject:cn:${commonName}`]),
        ...authorities.map((authority) => `ca:fingerprint:${fingerprint('sha1', authority)}`),
        `serialnumber:${serial}`,
        ...uriSelectors(leaf, trustDomain),
      ],
      again: 'often',
    }
  }
}

function chainOf(certificates: readonly Uint8Array[]): PeerChain {
  try {
    return parseChain(certificates)
  } catch (cause) {
    throw new MayflyError('ATTESTATION_INVALID', `a certificate of the chain is none: ${cause instanceof MayflyError ? cause.message : 'it does not parse'}`, { cause })
  }
}

function checkLeaf(leaf: Certificate, nowMs: number): { readonly kind: 'rsa' | 'ecdsa'; readonly scalarBytes: number } {
  const { basicConstraints, keyUsage, extKeyUsage, unknownCritical } = leaf.extensions
  if (!isValidAt(leaf, nowMs)) throw refused(nowMs > leaf.notAfterMs ? 'the certificate of this node has expired' : 'the certificate of this node is not valid yet')
  if (basicConstraints?.ca === true) throw refused('the certificate of this node is that of an authority')
  if (unknownCritical.length > 0) throw refused(`the certificate of this node has a critical extension that is not known: ${unknownCritical[0] ?? ''}`)
  if (keyUsage === undefined || (keyUsage.bits & keyUsageBit.digitalSignature) === 0) throw refused('the certificate of this node is not for signatures: digitalSignature is not set')
  if (extKeyUsage !== undefined && !extKeyUsage.oids.some((usage) => usage === anyExtKeyUsage || svidExtKeyUsages.includes(usage))) {
    throw refused('the certificate of this node is neither for clients nor for servers of TLS')
  }
  switch (keyKindOf(leaf.spki)) {
    case 'P-256':
      return { kind: 'ecdsa', scalarBytes: 32 }
    case 'P-384':
      return { kind: 'ecdsa', scalarBytes: 48 }
    case 'RSA':
      return { kind: 'rsa', scalarBytes: 0 }
    default:
      throw refused('the key of this node is not P-256, P-384 or RSA of 2048 to 4096 bits')
  }
}

/** The authorities between the leaf and the one that is known, that one last. For one of the usages of TLS that the leaf has, each of them must allow it. */
function authoritiesOf(chain: PeerChain, anchors: readonly TrustAnchor[], nowMs: number): readonly Certificate[] {
  const own = chain.leaf.extensions.extKeyUsage?.oids
  let why = ''
  for (const usage of svidExtKeyUsages) {
    if (own !== undefined && !own.includes(usage) && !own.includes(anyExtKeyUsage)) continue
    const result = validatePath(chain, anchors, [usage], nowMs, 'heeded')
    if (result.kind === 'trusted') return result.authorities
    why = result.why
  }
  throw refused(`the certificate of this node does not lead to an authority of the server: ${why}`)
}

/** SPIRE's: `x509pop://<trust domain>/<key>/<value>` becomes `san:<key>:<value>`. */
function uriSelectors({ extensions }: Certificate, trustDomain: TrustDomain): readonly string[] {
  const prefix = `x509pop://${trustDomain}/`
  return (extensions.subjectAltName?.uris ?? []).flatMap((uri) => {
    const [, key, value] = uri.startsWith(prefix) ? (/^([A-Za-z0-9._~-]+)\/([A-Za-z0-9._~/-]+?)\/*$/.exec(uri.slice(prefix.length)) ?? []) : []
    return key === undefined || value === undefined ? [] : [`san:${key}:${value}`]
  })
}

function fingerprint(hash: 'sha1' | 'sha256', { raw }: Certificate): string {
  return createHash(hash).update(raw).digest('hex')
}

function refused(why: string): MayflyError {
  return new MayflyError('ATTESTATION_REFUSED', why)
}
