import type { SubscribeToX509BundlesResponse } from '../../proto/generated/spire/api/agent/delegatedidentity/v1/SubscribeToX509BundlesResponse.ts'
import type { SubscribeToX509SVIDsResponse } from '../../proto/generated/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts'
import type { Entry } from '../../src/core/entry.ts'
import { pathOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { secret } from '../../src/rpc/secret.ts'
import type { WorkloadSvid } from '../rotation/workload-svid.ts'
import { heardWithin, Wake } from '../wake.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import type { X509StreamsDeps } from '../workload-api/x509-streams.ts'
import type { AuthorizedDelegates } from './authorized-delegates.ts'
import { delegateIdOf } from './delegate.ts'
import type { Subject } from './subject.ts'

export interface SubscriptionDeps extends X509StreamsDeps {
  readonly delegates: AuthorizedDelegates
  readonly log: Logger
}

/** How soon an identity that could not be had is asked for again. */
const retryMs = 5_000

/**
 * The identities of a workload for a delegate: the full state at once, and again whenever it is another; empty while nothing matches.
 * Both are looked at anew before each message. Never an identity that may administer or issue, and never a grant's, which is no entry's.
 * @throws {MayflyError} PERMISSION_DENIED, PROCESS_GONE, FACTS_CHANGED when delegate or workload are no longer what they were
 */
export async function* delegatedSvids(connection: WorkloadConnection, subject: Subject, signal: AbortSignal, deps: SubscriptionDeps): AsyncGenerator<SubscribeToX509SVIDsResponse, void, undefined> {
  const { entries, svids, identities, federation, trust, clock, log, delegates } = deps
  const wake = new Wake()
  using _entries = entries.changed.on(() => wake.ring())
  using _delegates = delegates.changed.on(() => wake.ring())
  using _federation = federation.changed.on(() => wake.ring())
  let interest: ReadonlySet<string> = new Set()
  using _svids = svids.changed.on((id) => {
    if (interest.has(id)) wake.ring()
  })
  let sent: string | undefined
  for (;;) {
    await delegateIdOf(connection, deps)
    const wanted = withinReach(deps, await subject.facts())
    interest = new Set(wanted.map(({ id }) => id))
    await identities.prepare(wanted, signal)
    const delegateId = await delegateIdOf(connection, deps)
    const still = withinReach(deps, await subject.facts())
    if (still.length !== wanted.length || still.some((entry, at) => entry !== wanted[at])) continue
    const held = wanted.flatMap((entry) => {
      const svid = svids.current(entry.id)
      return svid === undefined ? [] : [{ entry, svid }]
    })
    const federatesWith = federation.namedBy(held.map(({ entry }) => entry)).flatMap(({ trustDomain, spiffeId }) => (trustDomain === trust.trustDomain ? [] : [spiffeId]))
    const state = [...held.map(({ entry, svid }) => `${entry.id} ${svid.serialHex} ${entry.hint}`), ...federatesWith].join('\n')
    if (state !== sent && (held.length > 0 || wanted.length === 0 || sent !== undefined)) {
      sent = state
      for (const { entry } of held) deps.hold(entry.id, connection)
      log.info({ event: 'delegate.served', delegateId, pid: connection.caller.pid, ...subject.named, entries: held.map(({ entry }) => entry.id) }, 'a delegate was given the identities of another workload')
      yield secret({ x509Svids: held.map(svidWithKey), federatesWith })
    }
    if (held.length === wanted.length) await wake.heard(signal)
    else await heardWithin(wake, retryMs, clock, signal)
    signal.throwIfAborted()
  }
}

/** The bundle of the trust domain for a delegate, and those of all that entries of this agent federate with, as in SPIRE; at once and whenever one is another. @throws {MayflyError} as {@link delegatedSvids} */
export async function* delegatedBundles(connection: WorkloadConnection, signal: AbortSignal, deps: SubscriptionDeps): AsyncGenerator<SubscribeToX509BundlesResponse, void, undefined> {
  const wake = new Wake()
  using _entries = deps.entries.changed.on(() => wake.ring())
  using _delegates = deps.delegates.changed.on(() => wake.ring())
  using _trust = deps.trust.changed.on(() => wake.ring())
  using _federation = deps.federation.changed.on(() => wake.ring())
  let sent: readonly Buffer[] = []
  for (;;) {
    await delegateIdOf(connection, deps)
    const { concatenated, spiffeId } = deps.trust
    const foreign = deps.federation.all
    const state = [concatenated, ...foreign.map((bundle) => bundle.concatenated)]
    if (state.length !== sent.length || state.some((bytes, at) => bytes !== sent[at])) {
      sent = state
      yield { caCertificates: { ...Object.fromEntries(foreign.map((bundle) => [bundle.spiffeId, bundle.concatenated])), [spiffeId]: concatenated } }
    }
    await wake.heard(signal)
  }
}

function withinReach({ entries, clock }: SubscriptionDeps, facts: ReadonlySet<string>): readonly Entry[] {
  return entries.match(facts, clock.nowMs()).filter(({ admin, downstream }) => !admin && !downstream)
}

function svidWithKey({ entry, svid }: { readonly entry: Entry; readonly svid: WorkloadSvid }): NonNullable<SubscribeToX509SVIDsResponse['x509Svids']>[number] {
  const id = { trustDomain: trustDomainOf(svid.spiffeId), path: pathOf(svid.spiffeId) }
  const certChain = svid.chain.map((der) => Buffer.from(der.buffer, der.byteOffset, der.byteLength))
  return { x509Svid: { id, certChain, expiresAt: Math.floor(svid.notAfterMs / 1_000), hint: entry.hint }, x509SvidKey: svid.pkcs8 }
}
