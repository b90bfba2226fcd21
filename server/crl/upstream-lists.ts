import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { parseCertificate, type Certificate } from '../../src/x509/certificate.ts'
import { crlEntry, parseCrl } from '../../src/x509/crl.ts'
import { keyUsageBit } from '../../src/x509/extensions.ts'
import { authorityIdOf } from '../../src/x509/fingerprint.ts'
import { SignedCrl } from '../../src/x509/signed-crl.ts'
import type { KeyedAuthority } from '../ca/active-authority.ts'
import type { AuthoritySet } from '../ca/authorities.ts'
import type { Upstream, UpstreamSource } from '../ca/upstream/upstream.ts'
import type { PublishedCrl } from './published-crl.ts'

/** Where the lists that others made come from: files, or an address. */
interface ListSource extends Pick<UpstreamSource, 'lists'> {
  onChange?(listener: () => void): Disposable
  [Symbol.asyncDispose]?(): Promise<void>
}

/**
 * Lists of the authorities above ours: verifiers that know only standards want one for each certificate of a chain. The one that signs ours has its key here, and lists those
 * of ours that were revoked; the lists of those above it are given with `ca.upstream.crlPath`.
 */
export class UpstreamLists implements AsyncDisposable {
  readonly #authorities: Pick<AuthoritySet, 'all' | 'upstream'>
  readonly #source: ListSource

  constructor(authorities: Pick<AuthoritySet, 'all' | 'upstream'>, source: ListSource) {
    this.#authorities = authorities
    this.#source = source
  }

  /** Called when the lists that others made are others; never, where they are files: those are read each time. */
  onChange(listener: () => void): Disposable | undefined {
    return this.#source.onChange?.(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]?.()
  }

  /** Whose list is made here, with its entries: the certificates of our revoked authorities. `undefined` when the upstream authority may not sign lists. */
  signer(): { readonly issuer: KeyedAuthority; readonly entries: readonly Uint8Array[] } | undefined {
    const upstream = this.#authorities.upstream()
    if (upstream === undefined || !maySignLists(upstream.certificate)) return undefined
    const { certificate, key } = upstream
    const revoked = this.#authorities.all().filter((authority) => authority.state === 'revoked' && authority.upstream !== undefined && isIssuedBy(authority.certificate, certificate))
    return {
      issuer: { id: authorityIdOf(certificate.spki), certificate, key },
      entries: revoked.map((authority) => crlEntry(parseCertificate(authority.certificate).serial, authority.preparedAtMs)), // all that it ever signed has ended: from its beginning
    }
  }

  /** The lists that others made, of every authority above that does not sign here. @throws {MayflyError} UPSTREAM_CRL_MISSING when one is missing, out of date or not its issuer's */
  async given(nowMs: number): Promise<readonly PublishedCrl[]> {
    const wanted = wantedOf(this.#authorities.upstream())
    if (wanted.length === 0) return []
    const lists = await this.#source.lists()
    return wanted.map((issuer) => newestOf(lists, issuer, nowMs))
  }
}

/** Whether these lists do, each at least as new as the one of `before`, whoever published them last. @throws {MayflyError} UPSTREAM_CRL_MISSING */
export function checkLists(authorities: Pick<AuthoritySet, 'upstream'>, lists: readonly Uint8Array[], before: readonly Uint8Array[], nowMs: number): void {
  for (const issuer of wantedOf(authorities.upstream())) {
    const { thisUpdateMs } = newestOf(lists, issuer, nowMs)
    const known = before.map((der) => published(der, issuer)?.crl.thisUpdateMs ?? 0)
    if (known.some((ms) => ms > thisUpdateMs)) throw missing(issuer, 'the list of what it revoked is older than the one before it')
  }
}

/** The authorities above that do not sign here. */
function wantedOf(upstream: Upstream | undefined): readonly Certificate[] {
  if (upstream === undefined) return []
  return maySignLists(upstream.certificate) ? upstream.above : [upstream.certificate, ...upstream.above]
}

function newestOf(lists: readonly Uint8Array[], issuer: Certificate, nowMs: number): PublishedCrl {
  const found = lists.map((der) => published(der, issuer)).filter((list) => list !== undefined)
  const [newest] = found.toSorted((left, right) => right.crl.thisUpdateMs - left.crl.thisUpdateMs)
  if (newest === undefined) throw missing(issuer, 'there is no list of what it revoked, and its key is not here')
  if (!newest.isCurrent(nowMs)) throw missing(issuer, 'the list of what it revoked is out of date')
  return newest.crl
}

function published(der: Uint8Array, issuer: Certificate): { readonly crl: PublishedCrl; isCurrent(nowMs: number): boolean } | undefined {
  try {
    const signed = SignedCrl.of(der, issuer.raw)
    const { number, serials, thisUpdateMs } = parseCrl(der)
    return { crl: { authorityId: signed.authorityId, certificate: issuer, number, der, entries: serials.length, thisUpdateMs }, isCurrent: (nowMs) => signed.isCurrent(nowMs) }
  } catch (error) {
    if (error instanceof MayflyError) return undefined // another's list
    throw error
  }
}

/** By name and key, for an upstream authority may have been renewed with the same key: what it signed before is good under the new certificate too. */
function isIssuedBy(der: Uint8Array, issuer: Certificate): boolean {
  const { issuer: name, extensions } = parseCertificate(der)
  const [wanted, found] = [extensions.authorityKeyId, issuer.extensions.subjectKeyId]
  return equalBytes(name, issuer.subject) && (wanted === undefined || found === undefined || equalBytes(wanted, found))
}

function maySignLists({ extensions }: Certificate): boolean {
  return ((extensions.keyUsage?.bits ?? 0) & keyUsageBit.cRLSign) !== 0
}

function missing(issuer: Certificate, what: string): MayflyError {
  return new MayflyError('UPSTREAM_CRL_MISSING', `an authority above ours (key ${authorityIdOf(issuer.spki).slice(0, 16)}): ${what}`, { hint: 'verifiers that read lists refuse every chain without it: give it with ca.upstream.crlPath, a file or the address where it is published' })
}
