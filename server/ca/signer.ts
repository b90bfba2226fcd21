import { sign, type KeyObject } from 'node:crypto'
import { MayflyError, type ErrorCode } from '../../src/core/errors.ts'
import { parseSpiffeId, trustDomainOf, type SpiffeId } from '../../src/core/spiffe-id.ts'
import { parseCertificate, type Certificate } from '../../src/x509/certificate.ts'
import { verifyCsr } from '../../src/x509/csr.ts'
import type { GrantClaims } from '../../src/x509/grant-claims.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { digestOf } from '../../src/x509/signature.ts'
import { keyKindOf } from '../../src/x509/spki.ts'
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
  /** Of a grant, under its profile alone. */
  readonly grant?: GrantClaims
  /** What the key bytes are: a signing request whose proof is to be checked, or a SubjectPublicKeyInfo of our own making. */
  readonly keyForm: 'csr' | 'spki'
}

export type Prepared = { readonly ok: true; readonly publicKeyHash: Uint8Array } | Refused
export interface Refused {
  readonly ok: false
  readonly code: ErrorCode
  readonly message: string
}

interface SubjectKey {
  readonly spki: Uint8Array
  readonly publicKeyHash: Uint8Array
}

interface SigningAuthority {
  readonly issuer: LintOrder['issuer']
  /** `undefined`: in a token, which signs what {@link Signer.take} gives out. */
  readonly key: KeyObject | undefined
  readonly templates: Map<SvidProfileName, LeafTemplate>
}

const nothing = new Uint8Array(0)

/**
 * The only place where an SVID is signed: what a signing thread does, in two steps around the journal: `prepare` checks the proof of possession, fills the template and lints;
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
  learn(id: string, certificate: Uint8Array, key: KeyObject | undefined): void {
    const parsed = parseCertificate(certificate)
    this.#authorities.delete(id)
    this.#authorities.set(id, { issuer: issuerOf(parsed), key, templates: new Map() })
    for (const oldest of [...this.#authorities.keys()].slice(0, -2)) this.#authorities.delete(oldest)
  }

  /** A result an order; those that are refused will not be signed. `keys[n]`: the request or public key of order n. */
  prepare(batch: number, authorityId: string, issuedAtMs: number, orders: readonly SigningOrder[], keys: readonly Uint8Array[]): readonly Prepared[] {
    const authority = this.#authorities.get(authorityId)
    if (authority === undefined) throw new MayflyError('INTERNAL', 'the signing thread does not know the authority')
    // all proofs, then all templates: the two by turns push each other's code and tables out of the processor's caches, which costs 17 µs a leaf
    const proven = orders.map((order, at) => attempt(() => keyOf(order, keys[at] ?? nothing)))
    const linted = orders.map((order, at) => {
      const key = proven[at]
      return key?.ok === true ? attempt(() => this.#fill(authority, issuedAtMs, order, key.value)) : undefined
    })
    this.#batches.set(batch, { authority, svids: linted.map((svid) => (svid?.ok === true ? svid.value : undefined)) })
    return proven.map((key, at): Prepared => {
      if (!key.ok) return key
      const svid = linted[at]
      return svid === undefined || svid.ok ? { ok: true, publicKeyHash: key.value.publicKeyHash } : svid
    })
  }

  /** Certificates of a prepared batch, DER; an empty one where `serials` has `undefined` or nothing was prepared. The batch is forgotten. */
  sign(batch: number, serials: readonly (Uint8Array | undefined)[]): readonly Uint8Array[] {
    const { authority, toSign } = this.#finish(batch, serials)
    const { key, issuer } = authority
    if (key === undefined) throw new MayflyError('INTERNAL', 'the key of this authority is not in the signing thread')
    const digest = digestOf(issuer.keyKind)
    const signatures = toSign.map((bytes) => (bytes === undefined ? nothing : sign(digest, bytes, key)))
    return toSign.map((bytes, at) => (bytes === undefined ? nothing : certificateOf(bytes, signatures[at] ?? nothing, issuer.keyKind)))
  }

  /** The to-be-signed bytes of a prepared batch, where a token holds the key; empty ones as in {@link sign}. The batch is forgotten. */
  take(batch: number, serials: readonly (Uint8Array | undefined)[]): readonly Uint8Array[] {
    return this.#finish(batch, serials).toSign.map((bytes) => bytes ?? nothing)
  }

  /** Forgets a batch that the journal did not take. */
  drop(batch: number): void {
    this.#batches.delete(batch)
  }

  #finish(batch: number, serials: readonly (Uint8Array | undefined)[]): { readonly authority: SigningAuthority; readonly toSign: readonly (Uint8Array | undefined)[] } {
    const prepared = this.#batches.get(batch)
    this.#batches.delete(batch)
    if (prepared === undefined) throw new MayflyError('INTERNAL', 'the signing thread does not know the batch')
    const toSign = prepared.svids.map((svid, at) => {
      const serial = serials[at]
      return svid === undefined || serial === undefined ? undefined : svid.take(serial)
    })
    return { authority: prepared.authority, toSign }
  }

  #fill(authority: SigningAuthority, issuedAtMs: number, order: SigningOrder, key: SubjectKey): LintedSvid {
    const { profile, spiffeId, dnsNames, notBeforeMs, notAfterMs, grant } = order
    const subjectKeyId = subjectKeyIdOf(key.publicKeyHash)
    const toBeSigned = this.#templateOf(authority, profile).toBeSigned({ serial: placeholderSerial, notBeforeMs, notAfterMs, spki: key.spki, subjectKeyId, uri: spiffeId, dnsNames, grant })
    return lint(toBeSigned, { profile: this.#profiles.svids[profile], spiffeId, dnsNames, grant, spki: key.spki, issuedAtMs, issuer: authority.issuer })
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

/** With the proof of possession, unless the key is our own. */
function keyOf(order: SigningOrder, bytes: Uint8Array): SubjectKey {
  return order.keyForm === 'csr' ? verifyCsr(bytes) : { spki: bytes, publicKeyHash: publicKeyHash(bytes) }
}

function attempt<T>(work: () => T): { readonly ok: true; readonly value: T } | Refused {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error
    return { ok: false, code: error.code === 'DER_INVALID' || error.code === 'CERTIFICATE_INVALID' ? 'CSR_INVALID' : error.code, message: error.message }
  }
}

function issuerOf(certificate: Certificate): LintOrder['issuer'] {
  const [id] = certificate.extensions.subjectAltName?.uris ?? []
  const { subjectKeyId } = certificate.extensions
  const keyKind = keyKindOf(certificate.spki)
  if (id === undefined || subjectKeyId === undefined || keyKind === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'an authority has a SPIFFE ID, a subject key identifier and a key of a kind that signs')
  return { name: certificate.subject, keyId: subjectKeyId, keyKind, validity: certificate, trustDomain: trustDomainOf(parseSpiffeId(id)) }
}
