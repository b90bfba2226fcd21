import { toHex } from '../core/bytes.ts'
import { MayflyError } from '../core/errors.ts'
import type { ChainFacts, CheckOutcome } from '../core/revocation/check.ts'
import { isWithin, skewOf, stricterOf, type StalenessClass } from '../core/revocation/freshness.ts'
import { hasGrantSegment, trustDomainOf, type SpiffeId } from '../core/spiffe-id.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { GrantClaims } from '../x509/grant-claims.ts'
import { SignedCrl } from '../x509/signed-crl.ts'
import type { Authorizer } from './authorize.ts'
import type { BundleSet } from './bundle-set.ts'
import { revocationUnchecked } from './checker.ts'
import type { RevocationChecker } from './checker.ts'
import { foreignStream, ofAuthority, type RevocationsElsewhere } from './elsewhere.ts'
import { svidOf } from './leaf.ts'
import { ownExtKeyUsages, parseChain, svidExtKeyUsages, validatePath, type PeerChain } from './path.ts'

export interface VerifyOptions {
  /** Bundles by trust domain; only the leaf's own is used. */
  readonly bundles: BundleSet
  /** Which peers are wanted. */
  readonly allow: Authorizer
  /** Required: there is no default. */
  readonly revocation: RevocationChecker | typeof revocationUnchecked
  /** For authorities that the stream does not list, of other trust domains or further down; none of them is accepted without. */
  readonly elsewhere?: readonly RevocationsElsewhere[]
  /** Only what the servers of the trust domain signed themselves: nothing below an authority of a server further down, whose certificate is restricted to the usages of SVIDs. For whoever obeys a server, or serves an agent. */
  readonly issuedHere?: boolean
  readonly nowMs: number
  /** How old the revocation state may be, for this check: never looser than the checker's own class, nor than `standard` for a grant. `available` when neither says. */
  readonly class?: StalenessClass
}

/** What became of a peer's certificate. Only `accepted` is a yes. */
export type Verdict =
  | AcceptedSvid
  | { readonly kind: 'malformed'; readonly why: string }
  | { readonly kind: 'untrusted'; readonly why: string }
  /** Past its notAfter, or its bucket in the revocation set is gone. */
  | { readonly kind: 'expired'; readonly id: SpiffeId; readonly notAfterMs: number }
  | { readonly kind: 'not_yet_valid'; readonly id: SpiffeId; readonly notBeforeMs: number }
  /** `closedPrefix`: the ended grant whose ID is this one or lies above it; unset when its own serial was revoked. */
  | { readonly kind: 'revoked'; readonly id: SpiffeId; readonly serial: string; readonly closedPrefix?: SpiffeId }
  /** Replaced by a renewal: no new connection; an open one may stay. */
  | { readonly kind: 'superseded'; readonly id: SpiffeId; readonly serial: string }
  | { readonly kind: 'authority_revoked'; readonly id: SpiffeId; readonly authorityId: string }
  | { readonly kind: 'unindexed'; readonly id: SpiffeId; readonly authorityId: string }
  /** Revocations are not known freshly enough for the class; `ageMs` unset: not at all. */
  | { readonly kind: 'stale'; readonly id: SpiffeId; readonly class: StalenessClass; readonly ageMs: number | undefined }
  /** This machine's clock and that of the stream's signer surely differ by more than a second (negative: the signer's is behind): how old the state is cannot be told, and validity neither. */
  | { readonly kind: 'clock_skew'; readonly id: SpiffeId; readonly class: StalenessClass; readonly skewMs: number }
  | { readonly kind: 'not_authorized'; readonly id: SpiffeId }

export interface AcceptedSvid {
  readonly kind: 'accepted'
  readonly id: SpiffeId
  /** Hexadecimal. */
  readonly serial: string
  readonly notAfterMs: number
  /** What its issuer says of the grant that it is of; unset for a standing identity. */
  readonly grant?: GrantClaims
  /** For checking an open connection again. */
  readonly facts: ChainFacts
  /** Only under `available`: accepted on a state older than `standard` allows, or by a clock that differs from the signer's. Worth an alarm. */
  readonly stale: boolean
  /** The class that it was checked under; unset when revocation was not checked. */
  readonly class: StalenessClass | undefined
  /** Unset when revocation was not checked. */
  readonly ageMs: number | undefined
}

/**
 * Verifies an X.509-SVID as a peer presents it, DER, leaf first: X509-SVID 5, RFC 5280 6, the revocation set, then who is wanted. Never throws for what a peer
 * sends. It does not prove that the peer holds the key: TLS does.
 */
export function verifyX509Svid(chain: readonly Uint8Array[], options: VerifyOptions): Verdict {
  try {
    return verifyParsed(parseChain(chain), options)
  } catch (error) {
    if (error instanceof MayflyError) return { kind: 'malformed', why: error.message }
    throw error
  }
}

function verifyParsed(chain: PeerChain, options: VerifyOptions): Verdict {
  const { leaf } = chain
  const svid = svidOf(leaf)
  if (svid.kind === 'malformed') return svid
  const { id } = svid
  const path = validatePath(chain, options.bundles.authoritiesOf(trustDomainOf(id)), options.issuedHere === true ? ownExtKeyUsages : svidExtKeyUsages, options.nowMs)
  if (path.kind === 'untrusted') return path
  if (options.nowMs > leaf.notAfterMs) return { kind: 'expired', id, notAfterMs: leaf.notAfterMs }
  if (options.nowMs < leaf.notBeforeMs) return { kind: 'not_yet_valid', id, notBeforeMs: leaf.notBeforeMs }
  const [authorityId, ...aboveIds] = path.authorityIds
  const facts: ChainFacts = { id, serial: leaf.serial.slice(), notAfterMs: leaf.notAfterMs, authorityId, aboveIds }
  const checker = options.revocation === revocationUnchecked ? options.revocation : (foreignStream(options.elsewhere ?? [], facts) ?? options.revocation)
  if (options.revocation === revocationUnchecked || checker === revocationUnchecked) return options.allow(id) ? acceptedOf(id, leaf, facts) : { kind: 'not_authorized', id }
  const wanted = stricterOf(options.class ?? 'available', options.revocation.class ?? 'available')
  const question: Question = { leaf, facts, limit: hasGrantSegment(id) ? stricterOf(wanted, 'standard') : wanted, nowMs: options.nowMs }
  const verdict = checkRevocation(question, checker, options.elsewhere ?? [])
  if (verdict.kind === 'superseded' || verdict.kind === 'revoked') checker.noteRefusal?.(facts.serial)
  if (verdict.kind !== 'accepted') return verdict
  if (!options.allow(id)) return { kind: 'not_authorized', id }
  checker.noteUse?.(facts.serial)
  return verdict
}

/** A chain that is verified, and how fresh the answer must be. */
interface Question {
  readonly leaf: Certificate
  readonly facts: ChainFacts
  readonly limit: StalenessClass
  readonly nowMs: number
}

function checkRevocation(question: Question, checker: RevocationChecker, elsewhere: readonly RevocationsElsewhere[]): Verdict {
  const { leaf, facts, limit } = question
  const { id } = facts
  const freshness = checker.freshness()
  const ageMs = freshness?.ageMs
  if (freshness === undefined) return { kind: 'stale', id, class: limit, ageMs }
  const outcome = checker.check(facts)
  const other = outcome.kind === 'unindexed' ? ofAuthority(elsewhere, facts) : undefined
  if (outcome.kind !== 'good' && other === undefined) return refusalOf(outcome, id, leaf)
  const isFresh = isWithin(freshness, limit)
  const skewMs = skewOf(freshness)
  if (skewMs !== undefined && limit !== 'available') return { kind: 'clock_skew', id, class: limit, skewMs }
  if (!isFresh && limit !== 'available') return { kind: 'stale', id, class: limit, ageMs }
  // The own stream said what it knows of the authorities above; the rest is the other's to say.
  const verdict = other === undefined ? undefined : other instanceof SignedCrl ? checkList(question, other) : checkRevocation(question, other, [])
  if (verdict !== undefined && verdict.kind !== 'accepted') return verdict
  return { ...acceptedOf(id, leaf, facts), class: limit, stale: !isFresh || verdict?.stale === true, ageMs: Math.max(freshness.ageMs, verdict?.ageMs ?? 0) }
}

/** A list is as old as it says; past its time it says nothing. */
function checkList({ leaf, facts, limit, nowMs }: Question, list: SignedCrl): Verdict {
  const { id } = facts
  const ageMs = Math.max(0, nowMs - list.thisUpdateMs)
  if (list.lists(leaf.serial)) return { kind: 'revoked', id, serial: toHex(leaf.serial) }
  const isFresh = isWithin({ ageMs, aheadMs: 0, behindMs: 0 }, limit)
  if (!list.isCurrent(nowMs) || (!isFresh && limit !== 'available')) return { kind: 'stale', id, class: limit, ageMs }
  return { ...acceptedOf(id, leaf, facts), class: limit, stale: !isFresh, ageMs }
}

function refusalOf(outcome: Exclude<CheckOutcome, { kind: 'good' }>, id: SpiffeId, leaf: Certificate): Verdict {
  const serial = toHex(leaf.serial)
  switch (outcome.kind) {
    case 'revoked':
      return { kind: 'revoked', id, serial, ...(outcome.closedPrefix === undefined ? {} : { closedPrefix: outcome.closedPrefix }) }
    case 'superseded':
      return { kind: 'superseded', id, serial }
    case 'authority_revoked':
    case 'unindexed':
      return { kind: outcome.kind, id, authorityId: outcome.authorityId }
    case 'expired':
      return { kind: 'expired', id, notAfterMs: leaf.notAfterMs }
    case 'malformed':
      return { kind: 'malformed', why: 'its serial is not one of an indexed authority' }
    default:
      return outcome satisfies never
  }
}

function acceptedOf(id: SpiffeId, leaf: Certificate, facts: ChainFacts): AcceptedSvid {
  return { kind: 'accepted', id, serial: toHex(leaf.serial), notAfterMs: leaf.notAfterMs, facts, ...(leaf.extensions.grant === undefined ? {} : { grant: leaf.extensions.grant }), stale: false, class: undefined, ageMs: undefined }
}
