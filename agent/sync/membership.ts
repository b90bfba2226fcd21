import type { ErrorCode } from '../../src/core/errors.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { exactly } from '../../src/verify/authorize.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import { verifyX509Svid } from '../../src/verify/verify-svid.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import type { AgentSvid } from './agent-svid.ts'
import type { EntryCache } from './entry-cache.ts'
import type { Trust } from './trust.ts'

export const rejoinHint = 'join again with a new token: mayfly token create, then mayfly agent run --join-file FILE with its line; an agent with a nodeAttestor attests anew when it is started again'

/** By these the server says that it will never have this agent again. */
export const permanent: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['AGENT_BANNED', 'AGENT_NOT_ATTESTED', 'AGENT_EXPIRED'])

/** A server that refuses this agent for so long, and does not call it disabled, will not have it back. */
const refusalPatienceMs = 60_000

export interface MembershipDeps {
  readonly clock: Clock
  readonly trust: Trust
  readonly entries: EntryCache
  readonly relay: RevocationRelay
}

/** Whether the agent belongs to its server still: what a failed connection says of that. */
export class Membership {
  readonly #deps: MembershipDeps
  #svid: AgentSvid
  #endsAtBootMs: number
  #refusedSinceBootMs: number | undefined

  constructor(deps: MembershipDeps, svid: AgentSvid) {
    this.#deps = deps
    this.#svid = svid
    this.#endsAtBootMs = this.#endOf(svid)
  }

  renewed(svid: AgentSvid): void {
    this.#svid = svid
    this.#endsAtBootMs = this.#endOf(svid)
  }

  /** Why the agent can never connect again with what it has; `undefined` while it may. One that is refused loses its entries at once. */
  lostBy(error: MayflyError): MayflyError | undefined {
    const { clock, entries } = this.#deps
    const bootMs = clock.bootMs()
    const isExpired = clock.nowMs() > this.#svid.notAfterMs && bootMs > this.#endsAtBootMs
    // A server whose clock leapt ahead says so to every agent: with two against one, they wait until it is set right.
    if (error.code === 'AGENT_EXPIRED' ? isExpired : permanent.has(error.code)) return error
    if (isExpired) {
      return new MayflyError('AGENT_EXPIRED', 'the SVID of this agent expired while its server was away', { hint: rejoinHint })
    }
    if (error.code !== 'PERMISSION_DENIED') this.#refusedSinceBootMs = undefined
    if (error.code !== 'TARGET_DISABLED' && error.code !== 'PERMISSION_DENIED') return undefined
    entries.replace([])
    if (this.#isRevoked()) return new MayflyError('AGENT_NOT_ATTESTED', 'the SVID of this agent was revoked', { hint: rejoinHint, cause: error })
    if (error.code === 'TARGET_DISABLED') return undefined
    this.#refusedSinceBootMs ??= bootMs
    return bootMs - this.#refusedSinceBootMs > refusalPatienceMs ? new MayflyError(error.code, error.message, { hint: error.hint ?? rejoinHint, cause: error }) : undefined
  }

  /** Whether the stream has said so of this agent's own SVID. */
  #isRevoked(): boolean {
    const { trust, relay, clock } = this.#deps
    const verdict = verifyX509Svid(this.#svid.chain, { bundles: trust.bundles, allow: exactly(this.#svid.id), revocation: revocationUnchecked, nowMs: clock.nowMs() })
    return verdict.kind === 'accepted' && relay.reader.freshness() !== undefined && relay.reader.check(verdict.facts).kind === 'revoked'
  }

  #endOf({ notAfterMs }: AgentSvid): number {
    const { clock } = this.#deps
    return clock.bootMs() + notAfterMs - clock.nowMs()
  }
}
