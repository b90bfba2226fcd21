import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { StalenessClass } from '../../src/core/revocation/freshness.ts'
import { hasGrantSegment, parseSpiffeId, pathOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Authorizer } from '../../src/verify/authorize.ts'
import type { BundleSet } from '../../src/verify/bundle-set.ts'
import { explainVerdict } from '../../src/verify/explain.ts'
import { svidOf } from '../../src/verify/leaf.ts'
import { maxChainCertificates } from '../../src/verify/path.ts'
import type { RevocationChecker } from '../../src/verify/checker.ts'
import type { Verdict } from '../../src/verify/verify-svid.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'

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
  readonly class: StalenessClass
  readonly stale: boolean
  /** -1: no state. */
  readonly ageMs: number
  readonly epoch: number
  readonly seq: number
}

export interface SvidCheckDeps {
  readonly clock: Clock
  /** @throws {MayflyError} UNAVAILABLE before the agent has joined */
  bundles(): BundleSet
  readonly revocations: RevocationChecker & { readonly position: StreamHead }
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
    const verdict = verifyX509Svid(chain, { bundles: this.#deps.bundles(), allow: allowing(question.allow), revocation: revocations, nowMs: clock.nowMs(), class: wanted })
    if (verdict.kind === 'accepted') this.#deps.used?.(verdict.facts.serial)
    const { epoch, seq } = revocations.position
    const leaf = leafOf(chain)
    return {
      accepted: verdict.kind === 'accepted',
      verdict: verdict.kind,
      reason: explainVerdict(verdict),
      spiffeId: leaf.spiffeId,
      serial: leaf.serial,
      notAfterMs: leaf.notAfterMs,
      authorityId: verdict.kind === 'accepted' ? verdict.facts.authorityId : 'authorityId' in verdict ? verdict.authorityId : '',
      class: wanted === 'available' && leaf.isGrant ? 'standard' : wanted,
      stale: verdict.kind === 'accepted' && verdict.stale,
      ageMs: Math.round(revocations.freshness()?.ageMs ?? -1),
      epoch,
      seq,
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
function leafOf([der]: readonly Uint8Array[]): { readonly spiffeId: string; readonly serial: string; readonly notAfterMs: number; readonly isGrant: boolean } {
  try {
    const leaf = parseCertificate(der ?? new Uint8Array(0))
    const svid = svidOf(leaf)
    const id = svid.kind === 'svid' ? svid.id : undefined
    return { spiffeId: id ?? '', serial: toHex(leaf.serial), notAfterMs: leaf.notAfterMs, isGrant: id !== undefined && hasGrantSegment(id) }
  } catch (error) {
    if (error instanceof MayflyError) return { spiffeId: '', serial: '', notAfterMs: 0, isGrant: false }
    throw error
  }
}
