import { createHash } from 'node:crypto'
import { nonceBytes } from '../../src/attest/nonces.ts'
import { formatSshpopChallenge, isSshpopAnswer, parseSshpopAnswer, parseSshpopPayload } from '../../src/attest/sshpop.ts'
import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import { parseSshCertificate } from '../../src/ssh/certificate.ts'
import type { SshCertificate } from '../../src/ssh/certificate.ts'
import type { SshPublicKey } from '../../src/ssh/public-key.ts'
import { SshFormatError } from '../../src/ssh/reader.ts'
import type { AgentPath, sshpopNames } from './agent-path.ts'
import type { AttestorLook, NodeAttestor, NodeProof } from './node-attestor.ts'

export interface SshpopDeps {
  readonly clock: Clock
  readonly random: Random
  readonly trustDomain: TrustDomain
  readonly agentPath: AgentPath<(typeof sshpopNames)[number]>
  /** The authorities whose host certificates count, read anew for each attestation. */
  readonly authorities: () => Promise<readonly SshPublicKey[]>
  /** What the host's name must end with, and is cut off for `{{ .Hostname }}`; unset: nothing. */
  readonly canonicalDomain: string | undefined
  /** Takes answers that an RSA host key signed with SHA-1, as SPIRE's agents do. */
  readonly allowSha1: boolean
}

/**
 * Node attestor `sshpop`: whoever has the host key of an OpenSSH host certificate that one of the given authorities signed. The certificate is checked before a challenge
 * is made; the answer signs the server's nonce and the agent's own. As often as the node likes, while the certificate lasts.
 */
export class Sshpop implements NodeAttestor {
  readonly type = 'sshpop'
  readonly #deps: SshpopDeps

  constructor(deps: SshpopDeps) {
    this.#deps = deps
  }

  async look(): Promise<AttestorLook> {
    await this.#deps.authorities()
    return { authoritiesEndMs: undefined }
  }

  async *prove(payload: Uint8Array): AsyncGenerator<Uint8Array, NodeProof, Uint8Array> {
    const { clock, random, trustDomain, agentPath, authorities, canonicalDomain, allowSha1 } = this.#deps
    const certificate = certificateOf(parseSshpopPayload(payload))
    const host = checkCertificate(certificate, await authorities(), clock.nowMs())
    const hostname = shortened(host, canonicalDomain)
    const nonce = random.bytes(nonceBytes)
    const answer = parseSshpopAnswer(yield formatSshpopChallenge(nonce))
    if (answer.algorithm === 'ssh-rsa' && !allowSha1) {
      throw new MayflyError('ATTESTATION_REFUSED', 'the answer is signed with SHA-1', { hint: 'give the agent an Ed25519 or ECDSA host key, or set nodeAttestors.sshpop.allowSha1 on the server' })
    }
    if (!isSshpopAnswer(certificate.key, nonce, answer, allowSha1)) throw refused('the answer was not made with the host key of the certificate')
    const fingerprint = createHash('sha256').update(certificate.blob).digest('base64url')
    return { agentId: agentPath.idOf(trustDomain, { PluginName: this.type, Fingerprint: fingerprint, Hostname: hostname }), selectorValues: [`hostname:${host}`], again: 'often' }
  }
}

function certificateOf(blob: Uint8Array): SshCertificate {
  try {
    return parseSshCertificate(blob)
  } catch (error) {
    if (error instanceof SshFormatError) throw new MayflyError('ATTESTATION_INVALID', `not a host certificate of OpenSSH: ${error.message}`, { cause: error })
    throw error
  }
}

/** The host that it is for: the first name in it, as SPIRE takes it. */
function checkCertificate(certificate: SshCertificate, authorities: readonly SshPublicKey[], nowMs: number): string {
  const nowS = BigInt(Math.floor(nowMs / 1_000))
  const [host] = certificate.principals
  if (certificate.use !== 'host') throw refused('the certificate is that of a user, not of a host')
  if (!authorities.some(({ blob }) => equalBytes(blob, certificate.authority.blob))) throw refused(`no authority of the server signed the certificate: ${certificate.authority.fingerprint} did`)
  if (nowS < certificate.validAfterS) throw refused('the host certificate is not valid yet')
  if (nowS >= certificate.validBeforeS) throw refused('the host certificate has expired')
  if (certificate.criticalOptions.length > 0) throw refused(`the host certificate has a critical option that is not known: ${certificate.criticalOptions[0] ?? ''}`)
  if (host === undefined) throw refused('the host certificate names no host')
  return host
}

function shortened(host: string, domain: string | undefined): string {
  if (domain === undefined) return host
  const suffix = `.${domain}`
  if (!host.endsWith(suffix) || host.length === suffix.length) throw refused(`the host ${JSON.stringify(host.slice(0, 100))} is not below ${domain}`)
  return host.slice(0, -suffix.length)
}

function refused(why: string): MayflyError {
  return new MayflyError('ATTESTATION_REFUSED', why)
}
