import { equalBytes } from '../../../src/core/bytes.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import { BundleSet } from '../../../src/verify/bundle-set.ts'
import { svidExtKeyUsages, validatePath } from '../../../src/verify/path.ts'
import type { TrustDomain } from '../../../src/core/spiffe-id.ts'
import { isValidAt, parseCertificate, type Certificate } from '../../../src/x509/certificate.ts'
import { keyUsageBit } from '../../../src/x509/extensions.ts'
import { authorityIdOf } from '../../../src/x509/fingerprint.ts'
import { decodeCertificatesPem } from '../../../src/x509/pem.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { verifySignature } from '../../../src/x509/signature.ts'
import type { KeyFiles } from '../key-store.ts'
import { listsIn, maxListBytes } from './lists.ts'
import type { Upstream, UpstreamSource } from './upstream.ts'

/** As SPIRE's plugin `disk`: without `bundlePath` the certificate is the root itself. */
export interface DiskUpstreamConfig {
  /** PEM: the certificate that signs, then those between it and the root. */
  readonly certPath: string
  /** PEM, PKCS#8: its key. */
  readonly keyPath: string
  /** PEM: the root or roots that it leads to. */
  readonly bundlePath: string | undefined
  /** PEM or DER: lists of revoked certificates by the authorities above the one that signs; a file, or an `http` address, which others than this ask. */
  readonly crlPath: string | undefined
}

export interface DiskUpstreamDeps {
  readonly trustDomain: TrustDomain
  readonly files: Pick<KeyFiles, 'readFileBounded'>
  readonly clock: Clock
}

const maxFileBytes = 1_048_576

/** An upstream authority whose key and certificates are files, which somebody else renews: read at each use. */
export class DiskUpstream implements UpstreamSource {
  readonly #config: DiskUpstreamConfig
  readonly #deps: DiskUpstreamDeps

  constructor(config: DiskUpstreamConfig, deps: DiskUpstreamDeps) {
    this.#config = config
    this.#deps = deps
  }

  async current(): Promise<Upstream> {
    const { certPath, keyPath, bundlePath } = this.#config
    const found = await this.#certificates(certPath)
    const key = await this.#key(keyPath)
    const roots = bundlePath === undefined ? undefined : await this.#certificates(bundlePath)
    return checkedUpstream(found, key, roots, { trustDomain: this.#deps.trustDomain, nowMs: this.#deps.clock.nowMs(), certPath, keyPath })
  }

  async lists(): Promise<readonly Uint8Array[]> {
    const { crlPath } = this.#config
    if (crlPath === undefined) return []
    const bytes = await this.#deps.files.readFileBounded(crlPath, maxListBytes).catch((cause: unknown) => cause)
    if (!(bytes instanceof Uint8Array)) throw new MayflyError('UPSTREAM_CRL_MISSING', `ca.upstream.crlPath: ${crlPath} cannot be read`, { cause: bytes })
    return listsIn(bytes, crlPath)
  }

  async #certificates(path: string): Promise<readonly Uint8Array[]> {
    const text = await this.#text(path)
    try {
      return decodeCertificatesPem(text)
    } catch (cause) {
      throw invalid(`${path} holds no certificates in PEM`, undefined, cause)
    }
  }

  async #key(path: string): Promise<PrivateKey> {
    const text = await this.#text(path)
    try {
      return PrivateKey.fromPem(text)
    } catch {
      throw invalid(`${path} holds no key in PKCS#8`, `openssl pkcs8 -topk8 -nocrypt -in ${path} rewrites most others`)
    }
  }

  async #text(path: string): Promise<string> {
    let bytes: Uint8Array | undefined
    try {
      bytes = await this.#deps.files.readFileBounded(path, maxFileBytes)
    } catch (cause) {
      throw invalid(`${path} cannot be read`, undefined, cause)
    }
    if (bytes === undefined) throw invalid(`there is no ${path}`)
    return new TextDecoder().decode(bytes)
  }
}

interface CheckTerms {
  readonly trustDomain: TrustDomain
  readonly nowMs: number
  readonly certPath: string
  readonly keyPath: string
}

/** The parts put together, when they fit: the key is the certificate's, may sign authorities now, and leads to a root. What is true of authorities below it alone shows when the first is signed. */
function checkedUpstream([first, ...between]: readonly Uint8Array[], key: PrivateKey, roots: readonly Uint8Array[] | undefined, { trustDomain, nowMs, certPath, keyPath }: CheckTerms): Upstream {
  if (first === undefined) throw invalid(`${certPath} holds no certificate`)
  const certificate = parsed(first, certPath)
  const { basicConstraints, keyUsage } = certificate.extensions
  if (!equalBytes(certificate.spki, key.spki)) throw invalid(`${keyPath} is not the key of the first certificate in ${certPath}`)
  if (basicConstraints?.ca !== true || ((keyUsage?.bits ?? 0) & keyUsageBit.keyCertSign) === 0) throw invalid(`${certPath} may not sign certificates`, 'it has cA and the key usage keyCertSign')
  if (basicConstraints.pathLength === 0) throw invalid(`${certPath} may sign no authorities`, 'its path length is 0: at least 1 is needed')
  if (!isValidAt(certificate, nowMs)) throw invalid(`${certPath} ${nowMs > certificate.notAfterMs ? 'has expired' : 'is not valid yet'}`)
  if (isSelfSigned(certificate)) {
    if (between.length > 0 || roots?.every((der) => !equalBytes(der, first)) === true) throw invalid(`${certPath} is a root, and what is beside it does not belong to it`)
    return { certificate, key, chain: [], roots: roots ?? [first], above: [] }
  }
  if (roots === undefined) throw invalid(`${certPath} is no root`, 'name the root that it leads to with ca.upstream.bundlePath')
  const anchors = roots.map((der) => parsed(der, 'ca.upstream.bundlePath'))
  if (!anchors.every(isSelfSigned)) throw invalid('ca.upstream.bundlePath holds a certificate that is no root')
  const intermediates = between.map((der) => parsed(der, certPath))
  const path = validatePath({ leaf: certificate, intermediates }, BundleSet.of({ trustDomain, x509Authorities: roots }).authoritiesOf(trustDomain), svidExtKeyUsages, nowMs)
  if (path.kind === 'untrusted') throw invalid(`${certPath} does not lead to its bundle: ${path.why}`)
  const above = path.authorityIds.flatMap((id) => [...intermediates, ...anchors].find(({ spki }) => authorityIdOf(spki) === id) ?? [])
  return { certificate, key, chain: [first, ...between], roots, above }
}

function parsed(der: Uint8Array, path: string): Certificate {
  try {
    return parseCertificate(der)
  } catch (cause) {
    throw invalid(`${path} holds what is no certificate`, undefined, cause)
  }
}

function isSelfSigned(certificate: Certificate): boolean {
  return equalBytes(certificate.subject, certificate.issuer) && verifySignature(certificate.spki, certificate)
}

function invalid(what: string, hint?: string, cause?: unknown): MayflyError {
  return new MayflyError('UPSTREAM_INVALID', `the upstream authority: ${what}`, { ...(hint === undefined ? {} : { hint }), ...(cause === undefined ? {} : { cause }) })
}
