import { LiveConfig } from '../src/config/live.ts'
import type { TrustDomain } from '../src/core/spiffe-id.ts'
import type { QuotaTerms } from '../src/rpc/quota.ts'
import { BundleSet } from '../src/verify/bundle-set.ts'
import { HeadKeeper, headStoreIn } from '../src/verify/heads.ts'
import { WorkloadAttestor } from './attest/attestor.ts'
import { Docker } from './attest/docker.ts'
import type { FactSource } from './attest/fact-source.ts'
import { CheckElsewhere } from './check/elsewhere.ts'
import { OwnVerifier } from './check/own-verifier.ts'
import { SvidCheck } from './check/svid-check.ts'
import { agentSettings } from './config.ts'
import type { AgentConfig } from './config.ts'
import { AuthorizedDelegates } from './delegated-identity/authorized-delegates.ts'
import type { AgentDeps } from './deps.ts'
import { Notifier } from './notifier.ts'
import type { Progress } from './progress.ts'
import { NewestHead } from './relay/newest-head.ts'
import { relayIdBytes, RevocationRelay } from './relay/revocation-relay.ts'
import { VerifierReports } from './relay/verifier-reports.ts'
import { EntryCache } from './sync/entry-cache.ts'
import { Federation } from './sync/federation.ts'
import { Admission } from './workload-api/admission.ts'
import type { WorkloadConnectionDeps } from './workload-api/workload-connection.ts'

/** What an agent has from its first moment on, before it has joined a server. */
export interface AgentParts {
  readonly live: LiveConfig<AgentConfig>
  readonly progress: Progress
  readonly entries: EntryCache
  readonly federation: Federation
  /** Of facts about processes, besides the kernel. */
  readonly sources: readonly FactSource[]
  readonly relay: RevocationRelay
  readonly heads: HeadKeeper
  readonly newest: NewestHead
  readonly reports: VerifierReports
  readonly admission: Admission
  readonly own: OwnVerifier
  readonly check: SvidCheck
  readonly elsewhere: CheckElsewhere
  readonly checkTerms: QuotaTerms
  readonly delegates: AuthorizedDelegates
  readonly connections: WorkloadConnectionDeps
  /** Whatever the status shows has changed. */
  readonly changed: Notifier<void>
}

/** In the data folder. */
const headFile = 'revocation-head.json'
const newestFile = 'revocation-newest.json'

/** Builds them from what an earlier life left in the data folder. */
export async function startParts(config: AgentConfig, deps: AgentDeps, trustDomain: TrustDomain, progress: Progress): Promise<AgentParts> {
  const { clock, random, log, files, processes, exitWatch } = deps
  const live = deps.live ?? new LiveConfig(config, agentSettings, undefined)
  const heads = headStoreIn({ read: async (maxBytes) => await files.read(headFile, maxBytes), write: async (content) => await files.write(headFile, content) })
  const newest = await NewestHead.load({ file: { read: async (maxBytes) => await files.read(newestFile, maxBytes), write: async (content) => await files.write(newestFile, content) }, trustDomain, clock, log })
  const highest = await heads.load(trustDomain)
  const entries = new EntryCache()
  const federation = new Federation(log)
  const reports = new VerifierReports()
  const sources = [new Docker(config.containerSockets, deps)]
  const attestor = new WorkloadAttestor(processes, { sha256MaxBytes: config.sha256MaxBytes, tier: config.bindingTier, sources })
  const relay = new RevocationRelay(
    { get maxReaders() { return live.current.maxVerifiers }, maxFrames: 4_096, id: random.bytes(relayIdBytes) },
    {
      clock,
      log,
      anchors: () => progress.member?.trust.bundles.authoritiesOf(trustDomain) ?? [],
      wantSnapshot: () => progress.member?.connection.fetchSnapshot(),
      askTime: async (nonces) => await progress.joined.connection.signerTime(nonces),
      newest,
      ...(highest === undefined ? {} : { highest }),
    },
  )
  const keeper = new HeadKeeper({ heads, trustDomain, clock, logger: log, highest: () => relay.reader.highest })
  relay.changed.on(() => keeper.moved())
  relay.readersChanged.on((readers) => (reports.readers = readers))
  const own = new OwnVerifier({ class: 'available', software: `mayfly agent ${deps.version}` }, { clock, random, log, relay, reports, svid: () => progress.member?.connection.svid })
  const elsewhere = await CheckElsewhere.start(live, {
    clock,
    random,
    log,
    own: trustDomain,
    bundles: () => federation.with(progress.member?.trust.bundles ?? BundleSet.of()),
    authorities: (name) => federation.authoritiesOf(name),
    readBytes: async (path, maxBytes) => await deps.readBytes(path, maxBytes),
    fileNamed: (name) => ({ read: async (maxBytes) => await files.read(name, maxBytes), write: async (content) => await files.write(name, content) }),
  })
  const delegates = new AuthorizedDelegates(config.authorizedDelegates)
  live.onChange(({ authorizedDelegates }) => delegates.replace(authorizedDelegates))
  return {
    live,
    progress,
    entries,
    federation,
    sources,
    relay,
    heads: keeper,
    newest,
    reports,
    admission: new Admission({
      get connectionsPerUid() { return live.current.maxConnectionsPerUid },
      get connectionsPerProcess() { return Math.min(live.current.maxConnectionsPerUid, 1_000) },
      get streamsPerUid() { return live.current.maxStreamsPerUid },
      get streamsPerProcess() { return live.current.maxStreamsPerProcess },
    }),
    own,
    elsewhere,
    check: new SvidCheck({ clock, bundles: () => federation.with(progress.joined.trust.bundles), revocations: relay.reader, foreign: () => elsewhere.current, used: (serial) => own.used(serial) }),
    checkTerms: { get perSecond() { return live.current.checksPerSecond }, get burst() { return 2 * live.current.checksPerSecond } },
    delegates,
    connections: { processes, exitWatch, attestor, tier: config.bindingTier, needs: () => entries.kinds },
    changed: new Notifier(),
  }
}
