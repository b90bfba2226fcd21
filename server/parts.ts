import { LiveConfig } from '../src/config/live.ts'
import { serverIdOf } from '../src/core/spiffe-id.ts'
import type { BundleSet } from '../src/verify/bundle-set.ts'
import { CountedIssuer } from './api/counted-issuer.ts'
import { Approvals } from './approvals/approvals.ts'
import { Notifications, postJson } from './approvals/notify.ts'
import { begin } from './beginning.ts'
import { AuthoritySet } from './ca/authorities.ts'
import { bundleSets, pastAuthorities } from './ca/bundle-sets.ts'
import { DownstreamAuthorities } from './ca/downstream.ts'
import { openKeyStore } from './ca/open-key-store.ts'
import { IssuancePipeline } from './ca/pipeline.ts'
import { loadProfiles } from './ca/profiles.ts'
import type { Profiles } from './ca/profiles.ts'
import { StreamKeyCertifier } from './ca/stream-signer.ts'
import { DiskUpstream } from './ca/upstream/disk.ts'
import { serverSettings } from './config.ts'
import type { ServerConfig } from './config.ts'
import { LazyCrls, startBridge } from './crl/lazy-crls.ts'
import type { ServerDeps } from './deps.ts'
import { Grants } from './grants/grants.ts'
import { Maintenance } from './maintenance.ts'
import type { ServerMetrics } from './metrics.ts'
import { Policies } from './policy/policies.ts'
import { Acknowledgements } from './registry/acknowledgements.ts'
import { FederatedBundles } from './registry/federated-bundles.ts'
import { Registry } from './registry/registry.ts'
import { RollbackWatch } from './revocation/rollback.ts'
import { StreamSigner } from './revocation/stream-signer.ts'
import { RevocationStream } from './revocation/stream.ts'
import { ServerSvid } from './server-svid.ts'
import { StoreHealth } from './store-health.ts'
import type { Store } from './store/port.ts'
import { rolledBackError } from './store/rolled-back.ts'
import type { ServerTracing } from './tracing.ts'
import { VerifierRegistry } from './verifiers/registry.ts'

/** What a server consists of behind its listeners. */
export interface ServerParts {
  readonly live: LiveConfig<ServerConfig>
  readonly startedAtMs: number
  readonly profiles: Profiles
  readonly store: Store
  readonly storeHealth: StoreHealth
  readonly registry: Registry
  readonly federated: FederatedBundles
  readonly acknowledgements: Acknowledgements
  readonly authorities: AuthoritySet
  readonly downstream: DownstreamAuthorities
  readonly issuer: CountedIssuer
  readonly streamSigner: StreamSigner
  readonly revocations: RevocationStream
  readonly rollback: RollbackWatch
  readonly verifiers: VerifierRegistry
  readonly policies: Policies
  readonly grants: Grants
  readonly approvals: Approvals
  readonly crls: LazyCrls
  /** The server's own SVID. */
  readonly svid: ServerSvid
  /** The bundle, as the verifier wants it. */
  readonly bundles: () => BundleSet
  /** Authorities that a restore ended, whose agents come back by themselves. */
  readonly restored: () => BundleSet
}

/** What watches a server from its first step on, where the configuration asks for it. */
export interface Observers {
  readonly metrics: ServerMetrics | undefined
  readonly tracing: ServerTracing | undefined
}

const refreshHintSeconds = 300

/** Builds them from the store upwards. What was started is in `held`, also when this fails. @throws {MayflyError} STORE_LOCKED, STORE_NEWER, STORE_CORRUPT, CONFIG_INVALID, … */
export async function startParts(config: ServerConfig, deps: ServerDeps, { metrics, tracing }: Observers, held: AsyncDisposableStack): Promise<ServerParts> {
  const { clock, random, log, files } = deps
  const { trustDomain } = config
  const live = deps.live ?? new LiveConfig(config, serverSettings, undefined)
  const startedAtMs = clock.nowMs()
  const profiles = loadProfiles()
  const begun = deps.begun ?? begin(config, deps)
  const slowPath = held.use(begun.slowPath)
  const pool = held.use(begun.pool)
  const store = held.use(await begun.store)
  const storeHealth = held.use(new StoreHealth(store.journal, { clock, log }))
  const keys = held.use(await openKeyStore(config, deps))
  const [abandoned, registry, federated] = await Promise.all([
    store.credentials.abandonUnreleased(startedAtMs),
    Registry.start({ store, clock, log }),
    FederatedBundles.start(store),
  ])
  held.use(registry)
  held.use(federated)
  if (abandoned > 0) log.info({ event: 'credentials.abandoned', count: abandoned }, 'credentials of the run before that may never have left are abandoned')

  const acknowledgements = new Acknowledgements(registry.agents, clock)
  const upstream = config.upstream === undefined ? undefined : new DiskUpstream(config.upstream, { trustDomain, files, clock })
  const authorities = held.use(
    await AuthoritySet.start(
      { trustDomain, lifeMs: config.authorityTtlMs, keyType: config.keyType, refreshHintSeconds },
      { profiles, store: store.authorities, keys, upstream, clock, random, slowPath, log, acknowledged: (id) => acknowledgements.hasAll(id) },
    ),
  )
  const notePublished = (): void => acknowledgements.published(authorities.all().map(({ id }) => id), Number(authorities.bundle().sequence ?? 0n))
  notePublished()
  authorities.onChange(notePublished)
  live.onReload(() => authorities.reconsiderUpstream()) // the files of an upstream authority may be others now

  const pipeline = held.use(new IssuancePipeline({ steps: tracing?.steps, profiles, authorities, pool, credentials: store.credentials, clock, random, log }))
  const traced = tracing?.issuer(pipeline) ?? pipeline
  const issuer = new CountedIssuer(metrics?.issuer(traced) ?? traced)
  const certifier = new StreamKeyCertifier(authorities, { profiles, random, clock })
  const certifyStreamKey = async (spki: Uint8Array): Promise<readonly Uint8Array[]> => {
    const seen = await store.recovery.rolledBack()
    if (seen !== undefined) throw rolledBackError(seen) // readers would refuse what it signs, or worse, believe it
    return await certifier.certify(spki)
  }
  const streamSigner = held.use(StreamSigner.start({ clock, logger: log, certify: certifyStreamKey }))
  certifier.onDistrust((trusted) => streamSigner.replace(trusted))
  const [revocations, svid] = await Promise.all([
    RevocationStream.start({ store, signer: streamSigner, clock, logger: log }),
    ServerSvid.start({ spiffeId: serverIdOf(trustDomain), dnsNames: [], issuer, authorities, clock, log }),
  ])
  held.use(revocations)
  held.use(svid)
  held.use(new Maintenance({ store, clock, log }))
  const bundles = bundleSets(authorities)
  const verifiers = held.use(await VerifierRegistry.start({ store, clock, log, trustDomain, bundles, revocation: revocations, nowMs: () => clock.nowMs(), stream: revocations }))

  const policies = held.use(await Policies.start(store.policies, log))
  const maxTtlSeconds = profiles.svids.grant.maxTtlMs / 1_000
  const grants = held.use(await Grants.start({ store, registry, decider: async () => await policies.decider(), policyHash: () => policies.inForce.hash, issuer, maxTtlSeconds, trustDomain, clock, random, log }))
  const approvals = new Approvals({ trustDomain, store, directory: grants.directory, policies, steps: grants.stepApprovals, log })

  const notifications = held.use(new Notifications(config.approvals, { clock, log, post: postJson, run: deps.runCommand }))
  grants.onApprovalWanted((notice) => notifications.send(notice))

  const { ours, restored } = pastAuthorities(trustDomain, authorities)
  const rollback = await RollbackWatch.start({ store, stream: revocations, anchors: () => ours().authoritiesOf(trustDomain), clock, log })
  rollback.onFound(() => streamSigner.replace(false))

  const crls = held.use(new LazyCrls(() => startBridge(config, deps, store, authorities, upstream)))
  const downstream = new DownstreamAuthorities({ trustDomain, profiles, authorities, slowPath, credentials: store.credentials, clock, random, log })
  return { live, startedAtMs, profiles, store, storeHealth, registry, federated, acknowledgements, authorities, downstream, issuer, streamSigner, revocations, rollback, verifiers, policies, grants, approvals, crls, svid, bundles, restored }
}
