import { sign, type KeyObject } from 'node:crypto'
import { MayflyError, type ErrorCode } from '../../src/core/errors.ts'
import { parseSpiffeId, trustDomainOf, type SpiffeId } from '../../src/core/spiffe-id.ts'
import { parseCertificate, type Certificate } from '../../src/x509/certificate.ts'
import { verifyCsr } from '../../src/x509/csr.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { certificateOf, LeafTemplate, subjectKeyIdOf } from '../../src/x509/template.ts'
import { lint, placeholderSerial, type LintedSvid, type LintOrder } from './lint.ts'
import type { Profiles, SvidProfileName } from './profiles.ts'

/** One leaf to prepare, its validity decided. */
export interface SigningOrder {
  readonly profile: SvidProfileName
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** What the key bytes are: a signing request whose proof is to be checked, or a SubjectPublicKeyInfo of our own making. */
  readonly keyForm: 'csr' | 'spki'
}

export type Prepared = { readonly ok: true; readonly publicKeyHash: Uint8Array } | Refused
export interface Refused {
  readonly ok: false
  readonly code: ErrorCode
  readonly message: string
}

interface SigningAuthority {
  readonly issuer: LintOrder['issuer']
  readonly key: KeyObject
  readonly templates: Map<SvidProfileName, LeafTemplate>
}

/**
 * What a signing thread does, in two steps around the journal: `prepare` checks the proof of possession, fills the template and lints;
 * `sign` puts the journal's serial in and signs. Between the two the linted bytes stay here: nobody else can change them.
 */
export class Signer {
  readonly #profiles: Profiles
  readonly #authorities = new Map<string, SigningAuthority>()
  readonly #batches = new Map<number, { readonly authority: SigningAuthority; readonly svids: readonly (LintedSvid | undefined)[] }>()

  constructor(profiles: Profiles) {
    this.#profiles = profiles
  }

  /** Makes an authority known; the two latest are kept. */
  learn(id: string, certificate: Uint8Array, key: KeyObject): void {
    const parsed = parseCertificate(certificate)
    this.#authorities.delete(id)
    this.#authorities.set(id, { issuer: issuerOf(parsed), key, templates: new Map() })
    for (const oldest of [...this.#authorities.keys()].slice(0, -2)) this.#authorities.delete(oldest)
  }

  /** A result an order; those that are refused will not be signed. `keys[n]`: the request or public key of order n. */
  prepare(batch: number, authorityId: string, issuedAtMs: number, orders: readonly SigningOrder[], keys: readonly Uint8Array[]): readonly Prepared[] {
    const authority = this.#authorities.get(authorityId)
    if (authority === undefined) throw new MayflyError('INTERNAL', 'the signing thread does not know the authority')
    const svids: (LintedSvid | undefined)[] = []
    const results = orders.map((order, at): Prepared => {
      try {
        const { svid, keyHash } = this.#prepareOne(authority, issuedAtMs, order, keys[at] ?? new Uint8Array(0))
        svids[at] = svid
        return { ok: true, publicKeyHash: keyHash }
      } catch (error) {
        if (!(error instanceof MayflyError)) throw error
        svids[at] = undefined
        return { ok: false, code: error.code === 'DER_INVALID' || error.code === 'CERTIFICATE_INVALID' ? 'CSR_INVALID' : error.code, message: error.message }
      }
    })
    this.#batches.set(batch, { authority, svids })
    return results
  }

  /** Certificates of a prepared batch, DER; an empty one where `serials` has `undefined` or nothing was prepared. The batch is forgotten. */
  sign(batch: number, serials: readonly (Uint8Array | undefined)[]): readonly Uint8Array[] {
    const prepared = this.#batches.get(batch)
    this.#batches.delete(batch)
    if (prepared === undefined) throw new MayflyError('INTERNAL', 'the signing thread does not know the batch')
    return prepared.svids.map((svid, at) => {
      const serial = serials[at]
      return svid === undefined || serial === undefined ? new Uint8Array(0) : signOne(prepared.authority, svid, serial)
    })
  }

  /** Forgets a batch that the journal did not take. */
  drop(batch: number): void {
    this.#batches.delete(batch)
  }

  #prepareOne(authority: SigningAuthority, issuedAtMs: number, order: SigningOrder, keyBytes: Uint8Array): { readonly svid: LintedSvid; readonly keyHash: Uint8Array } {
    const key = order.keyForm === 'csr' ? verifyCsr(keyBytes) : { spki: keyBytes, publicKeyHash: publicKeyHash(keyBytes) }
    const profile = this.#profiles.svids[order.profile]
    const toBeSigned = this.#templateOf(authority, order.profile).toBeSigned({
      serial: placeholderSerial,
      notBeforeMs: order.notBeforeMs,
      notAfterMs: order.notAfterMs,
      spki: key.spki,
      subjectKeyId: subjectKeyIdOf(key.publicKeyHash),
      uri: order.spiffeId,
      dnsNames: order.dnsNames,
    })
    const svid = lint(toBeSigned, { profile, spiffeId: order.spiffeId, dnsNames: order.dnsNames, spki: key.spki, issuedAtMs, issuer: authority.issuer })
    return { svid, keyHash: key.publicKeyHash }
  }

  #templateOf(authority: SigningAuthority, name: SvidProfileName): LeafTemplate {
    let template = authority.templates.get(name)
    if (template === undefined) {
      template = new LeafTemplate(this.#profiles.svids[name], authority.issuer)
      authority.templates.set(name, template)
    }
    return template
  }
}

/** The only place where an SVID is signed: it takes what the linter made, and the serial that the journal gave. */
function signOne(authority: SigningAuthority, svid: LintedSvid, serial: Uint8Array): Uint8Array {
  const toBeSigned = svid.take(serial)
  return certificateOf(toBeSigned, sign('sha256', toBeSigned, authority.key))
}

function issuerOf(certificate: Certificate): LintOrder['issuer'] {
  const [id] = certificate.extensions.subjectAltName?.uris ?? []
  const { subjectKeyId } = certificate.extensions
  if (id === undefined || subjectKeyId === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'an authority has a SPIFFE ID and a subject key identifier')
  return { name: certificate.subject, keyId: subjectKeyId, validity: certificate, trustDomain: trustDomainOf(parseSpiffeId(id)) }
}
