import type { Verdict } from './verify-svid.ts'

/** Why a verdict is what it is, for people: one line, lower case, no full stop; empty when it is a yes. */
export function explainVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'accepted':
      return ''
    case 'malformed':
      return `not an X.509-SVID: ${verdict.why}`
    case 'untrusted':
      return verdict.why
    case 'expired':
      return `it ended at ${new Date(verdict.notAfterMs).toISOString()}`
    case 'not_yet_valid':
      return `it begins at ${new Date(verdict.notBeforeMs).toISOString()}`
    case 'revoked':
      return verdict.closedPrefix === undefined ? 'it was revoked' : `its grant has ended: ${verdict.closedPrefix}`
    case 'superseded':
      return 'it was replaced by another: no new connection is made with it'
    case 'authority_revoked':
      return `an authority above it was revoked: ${verdict.authorityId.slice(0, 16)}`
    case 'unindexed':
      return `nobody here knows what its authority revoked: the revocation stream does not list ${verdict.authorityId.slice(0, 16)}, and neither a stream nor a list of its own is named`
    case 'stale':
      return verdict.ageMs === undefined ? 'revocations are not known yet' : `revocations are known as of ${verdict.ageMs} ms ago, which class ${verdict.class} does not take`
    case 'clock_skew':
      return `the clock of this machine and that of the revocation stream differ by ${Math.abs(verdict.skewMs)} ms`
    case 'not_authorized':
      return `${verdict.id} is not one of the peers that are wanted`
    default:
      return verdict satisfies never
  }
}
