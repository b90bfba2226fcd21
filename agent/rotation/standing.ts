import type { ChainFacts } from '../../src/core/revocation/check.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { exactly } from '../../src/verify/authorize.ts'
import type { RevocationReader } from '../../src/verify/reader.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import type { Trust } from '../sync/trust.ts'
import type { WorkloadSvid } from './workload-svid.ts'

/** What bundle and revocations say of an SVID: `tainted` is served until it is replaced, `ended` is not. */
export type Standing = 'good' | 'tainted' | 'ended'

/** Judges the SVIDs of this agent by its bundle and by the revocations it knows. */
export class SvidStanding {
  readonly #trust: Trust
  readonly #revocations: RevocationReader
  readonly #clock: Clock
  readonly #log: Logger
  readonly #verified = new WeakMap<WorkloadSvid, ChainFacts>()

  constructor(trust: Trust, revocations: RevocationReader, clock: Clock, log: Logger) {
    this.#trust = trust
    this.#revocations = revocations
    this.#clock = clock
    this.#log = log
  }

  of(svid: WorkloadSvid): Standing {
    const facts = this.#verified.get(svid) ?? this.#verify(svid)
    if (facts === undefined) return 'ended'
    const top = facts.aboveIds.at(-1) ?? facts.authorityId
    if (!this.#trust.hasAuthority(top)) return 'ended'
    if (this.#revocations.freshness() !== undefined) {
      const outcome = this.#revocations.check(facts)
      // What is not indexed yet, or no longer, is not ended: a new authority may be ahead of the stream, and expiry is looked at elsewhere.
      if (outcome.kind === 'revoked' || outcome.kind === 'superseded' || outcome.kind === 'authority_revoked' || outcome.kind === 'malformed') return 'ended'
    }
    return [facts.authorityId, ...facts.aboveIds].some((id) => this.#trust.isTainted(id)) ? 'tainted' : 'good'
  }

  #verify(svid: WorkloadSvid): ChainFacts | undefined {
    // A false clock makes no SVID bad: it is the server's that dated it, and expiry is looked at elsewhere.
    const nowMs = Math.min(Math.max(this.#clock.nowMs(), svid.notBeforeMs), svid.notAfterMs)
    const verdict = verifyX509Svid(svid.chain, { bundles: this.#trust.bundles, allow: exactly(svid.spiffeId), revocation: revocationUnchecked, nowMs })
    if (verdict.kind === 'accepted') {
      this.#verified.set(svid, verdict.facts)
      return verdict.facts
    }
    this.#log.warn({ event: 'svid.refused', entryId: svid.entryId, spiffeId: svid.spiffeId, serial: svid.serialHex, verdict: verdict.kind, why: 'why' in verdict ? verdict.why : '' }, 'the server signed an SVID that the bundle refuses')
    return undefined
  }
}
