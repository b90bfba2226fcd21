import type { KeyObject } from 'node:crypto'
import type { ChainFacts, CheckOutcome } from '../../src/core/revocation/check.ts'
import { decodeReport, signedReportBytes, type Receipt, type RefusalsReport, type Registration, type UsesReport } from '../../src/core/revocation/reports.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import { memberOf } from '../../src/verify/authorize.ts'
import type { BundleSet } from '../../src/verify/bundle-set.ts'
import type { RevocationChecker } from '../../src/verify/checker.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { verifyPlain } from '../../src/x509/signature.ts'
import { importPublicKey, keyKindOf, type KeyKind } from '../../src/x509/spki.ts'

/** A report as it came. */
export interface WireReport {
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** The SVID that a verifier signs with. */
export interface VerifierKey {
  readonly id: SpiffeId
  readonly key: KeyObject
  readonly kind: KeyKind
  readonly notAfterMs: number
  readonly facts: ChainFacts
}

export interface VerifierCheckDeps {
  readonly trustDomain: TrustDomain
  readonly bundles: () => BundleSet
  /** What is ended, by this server's own knowledge. */
  readonly revocation: Pick<RevocationChecker, 'check' | 'freshness'>
  readonly nowMs: () => number
}

export type CheckedRegistration =
  | { readonly kind: 'signed'; readonly registration: Registration; readonly by: VerifierKey }
  /** It has no SVID: listed, not relied on. */
  | { readonly kind: 'unsigned'; readonly registration: Registration }
  | { readonly kind: 'refused'; readonly why: string }

/** Whether a registration is what it says: by an SVID of this trust domain that is neither expired nor ended, signed with its key. */
export function checkRegistration(wire: WireReport & { readonly svidChain: readonly Uint8Array[] }, deps: VerifierCheckDeps): CheckedRegistration {
  const registration = decodeReport(wire.body)
  if (registration?.kind !== 'registration') return { kind: 'refused', why: 'it cannot be read' }
  const [leaf] = wire.svidChain
  if (leaf === undefined) return { kind: 'unsigned', registration }
  const verdict = verifyX509Svid(wire.svidChain, { bundles: deps.bundles(), allow: memberOf(deps.trustDomain), revocation: deps.revocation, nowMs: deps.nowMs() })
  if (verdict.kind !== 'accepted') return { kind: 'refused', why: `its SVID is ${'why' in verdict ? verdict.why : verdict.kind}` }
  const { spki } = parseCertificate(leaf)
  const kind = keyKindOf(spki)
  if (kind === undefined) return { kind: 'refused', why: 'its key is of a kind that is not supported' }
  const key = importPublicKey(spki)
  if (!verifyPlain(key, kind, signedReportBytes(wire.body), wire.signature)) return { kind: 'refused', why: 'its signature is not that of its SVID' }
  return { kind: 'signed', registration, by: { id: verdict.id, key, kind, notAfterMs: verdict.notAfterMs, facts: verdict.facts } }
}

/** Whether nothing that this SVID signs counts any more; one that was merely replaced may still have signed. */
export function isEnded({ kind }: CheckOutcome): boolean {
  return kind === 'revoked' || kind === 'authority_revoked'
}

/** A receipt, uses or refusals, if this key signed them and may still; else why not. */
export function checkReport(wire: WireReport, by: VerifierKey, deps: VerifierCheckDeps): Receipt | UsesReport | RefusalsReport | { readonly kind: 'refused'; readonly why: string } {
  const report = decodeReport(wire.body)
  if (report === undefined || report.kind === 'registration') return { kind: 'refused', why: 'it cannot be read' }
  if (deps.nowMs() > by.notAfterMs) return { kind: 'refused', why: 'its SVID has expired' }
  if (isEnded(deps.revocation.check(by.facts))) return { kind: 'refused', why: 'its SVID was revoked' }
  if (!verifyPlain(by.key, by.kind, signedReportBytes(wire.body), wire.signature)) return { kind: 'refused', why: 'its signature is not that of its SVID' }
  return report
}
