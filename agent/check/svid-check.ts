import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { StalenessClass } from '../../src/core/revocation/freshness.ts'
import { hasGrantSegment, parseSpiffeId, pathOf, trustDomainOf, type SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Authorizer } from '../../src/verify/authorize.ts'
import type { BundleSet } from '../../src/verify/bundle-set.ts'
import { explainVerdict } from '../../src/verify/explain.ts'
import { svidOf } from '../../src/verify/leaf.ts'
import { maxChainCertificates, parseChain, svidExtKeyUsages, validatePath } from '../../src/verify/path.ts'
import type { RevocationChecker } from '../../src/verify/checker.ts'
import type { Verdict } from '../../src/verify/verify-svid.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { ForeignRevocations } from './foreign-revocations.ts'

/** A peer's certificate to be judged. */
export interface CheckQuestion {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** Empty: `available`. */
  readonly class: string
  /** SPIFFE IDs; one without a path stands for its trust domain. */
  readonly allow: readonly string[]
}

export interface CheckAnswer {
  readonly accepted: boolean
  readonly verdict: Verdict['kind']
  /** For people; empty when accepted. */
  readonly reason: string
  /** Empty when the certificate has none that can be read. */
  readonly spiffeId: string
  /** Hexadecimal; empty likewise. */
  readonly serial: string
  /** Hexadecimal; empty unless the path was verified. */
  readonly authorityId: string
  /** 0 when unknown. */
  readonly notAfterMs: number
  /** Empty: accepted, and nobody was asked what its trust domain has revoked, because the configuration says so. */
  readonly class: StalenessClass | ''
  readonly stale: boolean
  /** -1: no state. */
  readonly ageMs: number
  /** Of the stream that was asked. */
  readonly epoch: number
  readonly seq: number
}

export interface SvidCheckDeps {
  readonly clock: Clock
  /** @throws {MayflyError} UNAVAILABLE before the agent has joined */
  bundles(): BundleSet
  readonly revocations: RevocationChecker & { readonly position: StreamHead }
  /** Who knows the revocations of other trust domains; nobody when absent. */
  readonly foreign?: () => Pick<ForeignRevocations, 'elsewhere' | 'streamOf'> | undefined
  /** A certificate was accepted: for the record of where it was used. @param serial 17 bytes */
  readonly used?: (serial: Uint8Array) => void
}

const maxChainBytes = 32_768
const maxAllowed = 1_000

/** Judges chains for programs that cannot embed the library: by this agent's bundle and by the revocations that it knows. */
export class SvidCheck {
  readonly #deps: SvidCheckDeps

  constructor(deps: SvidCheckDeps) {
    this.#deps = deps
  }

  /** @throws {MayflyError} INVALID_ARGUMENT, SPIFFE_ID_INVALID for a question that is none; never for a certificate. UNAVAILABLE */
  check(question: CheckQuestion): CheckAnswer {
    const { clock, revocations } = this.#deps
    const { chain } = question
    if (chain.length === 0 || chain.length > maxChainCertificates) throw new MayflyError('INVALID_ARGUMENT', `a chain has 1 to ${maxChainCertificates} certificates`)
    if (chain.reduce((sum, { length }) => sum + length, 0) > maxChainBytes) throw new MayflyError('INVALID_ARGUMENT', `a chain has at most ${maxChainBytes} bytes`)
    const wanted = classOf(question.class)
    const bundles = this.#deps.bundles()
    const foreign = this.#deps.foreign?.()
    const nowMs = clock.nowMs()
    const verdict = verifyX509Svid(chain, { bundles, allow: allowing(question.allow), revocation: revocations, elsewhere: foreign?.elsewhere ?? [], nowMs, class: wanted })
    const leaf = leafOf(chain)
    const stream = leaf.id === undefined ? undefined : foreign?.streamOf(trustDomainOf(leaf.id))
    if (verdict.kind === 'accepted' && verdict.class !== undefined && stream === undefined) this.#deps.used?.(verdict.facts.serial)
    const isUnchecked = verdict.kind === 'accepted' && verdict.class === undefined
    const { epoch, seq } = isUnchecked ? nowhere : (stream ?? revocations).position
    return {
      accepted: verdict.kind === 'accepted',
      verdict: verdict.kind,
      reason: explainVerdict(verdict),
      spiffeId: leaf.id ?? '',
      serial: leaf.serial,
      notAfterMs: leaf.notAfterMs,
      authorityId: authorityOf(chain, verdict, bundles, nowMs),
      class: isUnchecked ? '' : wanted === 'available' && leaf.id !== undefined && hasGrantSegment(leaf.id) ? 'standard' : wanted,
      stale: verdict.kind === 'accepted' && verdict.stale,
      ageMs: isUnchecked ? -1 : Math.round(ageOf(verdict) ?? (stream ?? revocations).freshness()?.ageMs ?? -1),
      epoch,
      seq,
    }
  }
}

const nowhere = { epoch: 0, seq: 0 }

/** Of what was asked: a stream, or the older of it and a list. */
function ageOf(verdict: Verdict): number | undefined {
  return verdict.kind === 'accepted' || verdict.kind === 'stale' ? verdict.ageMs : undefined
}

/** Of the leaf, where the path leads to the bundle. A yes names it; a no does so only when it is about the authority, and is asked for again: it is rare. */
function authorityOf(chain: readonly Uint8Array[], verdict: Verdict, bundles: BundleSet, nowMs: number): string {
  switch (verdict.kind) {
    case 'accepted':
      return verdict.facts.authorityId
    case 'malformed':
    case 'untrusted':
      return ''
    case 'unindexed':
      return verdict.authorityId
    default: {
      const path = validatePath(parseChain(chain), bundles.authoritiesOf(trustDomainOf(verdict.id)), svidExtKeyUsages, nowMs)
      return path.kind === 'trusted' ? path.authorityIds[0] : ''
    }
  }
}

function classOf(text: string): StalenessClass {
  if (text === '') return 'available'
  if (text !== 'strict' && text !== 'standard' && text !== 'available') throw new MayflyError('INVALID_ARGUMENT', 'a class is strict, standard or available')
  return text
}

function allowing(texts: readonly string[]): Authorizer {
  if (texts.length === 0) throw new MayflyError('INVALID_ARGUMENT', 'nobody is allowed', { hint: 'allow: SPIFFE IDs of the peers that are wanted, or the trust domain’s own ID for every member' })
  if (texts.length > maxAllowed) throw new MayflyError('INVALID_ARGUMENT', `at most ${maxAllowed} IDs are allowed`)
  const ids = texts.map((text) => parseSpiffeId(text))
  const members = new Set(ids.filter((id) => pathOf(id) === '').map((id) => trustDomainOf(id)))
  const exact = new Set(ids.filter((id) => pathOf(id) !== ''))
  return (id) => exact.has(id) || members.has(trustDomainOf(id))
}

/** What the leaf says of itself, proven or not. */
function leafOf([der]: readonly Uint8Array[]): { readonly id: SpiffeId | undefined; readonly serial: string; readonly notAfterMs: number } {
  try {
    const leaf = parseCertificate(der ?? new Uint8Array(0))
    const svid = svidOf(leaf)
    return { id: svid.kind === 'svid' ? svid.id : undefined, serial: toHex(leaf.serial), notAfterMs: leaf.notAfterMs }
  } catch (error) {
    if (error instanceof MayflyError) return { id: undefined, serial: '', notAfterMs: 0 }
    throw error
  }
}
