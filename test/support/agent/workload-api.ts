import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bundle__Output } from '../../../proto/generated/spire/api/types/Bundle.ts'
import type { X509SVIDResponse__Output } from '../../../proto/generated/X509SVIDResponse.ts'
import type { Entry } from '../../../src/core/entry.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { ExitWatch } from '../../../src/system/linux/exit-watch.ts'
import { linuxProcesses } from '../../../src/system/linux/processes.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { WorkloadAttestor } from '../../../agent/attest/attestor.ts'
import { ProcessHolders } from '../../../agent/liveness/process-holders.ts'
import { VerifierReports } from '../../../agent/relay/verifier-reports.ts'
import { SvidCheck } from '../../../agent/check/svid-check.ts'
import { Notifier } from '../../../agent/notifier.ts'
import { RevocationRelay } from '../../../agent/relay/revocation-relay.ts'
import { SvidStanding } from '../../../agent/rotation/standing.ts'
import { SvidCache } from '../../../agent/rotation/svid-cache.ts'
import { EntryCache } from '../../../agent/sync/entry-cache.ts'
import { Federation } from '../../../agent/sync/federation.ts'
import { Trust } from '../../../agent/sync/trust.ts'
import { Admission } from '../../../agent/workload-api/admission.ts'
import type { AdmissionLimits } from '../../../agent/workload-api/admission.ts'
import { Identities } from '../../../agent/workload-api/identities.ts'
import type { X509StreamsDeps } from '../../../agent/workload-api/x509-streams.ts'
import { WorkloadListener } from '../../../agent/workload-api/listener.ts'
import { KeptLog } from './quiet.ts'
import { entryMap } from './entries.ts'
import { TestSigner } from './test-signer.ts'

export interface ApiOptions {
  readonly limits?: Partial<AdmissionLimits>
  readonly maxConnections?: number
  readonly synced?: boolean
  readonly syncWaitMs?: number
  readonly ttlMs?: number
}

/** The Workload API on a real socket with real attestation, over a server of the test's own. */
export class TestApi implements AsyncDisposable {
  readonly socket: string
  readonly log: KeptLog = new KeptLog()
  readonly entries: EntryCache = new EntryCache()
  readonly federation: Federation = new Federation(this.log)
  readonly ended: Uint8Array[] = []
  /** Something was added to {@link ended}. */
  readonly endedChanged: Notifier<void> = new Notifier()
  readonly #synced = Promise.withResolvers<void>()
  readonly #dir: string
  readonly #exitWatch = ExitWatch.start()
  readonly signer: TestSigner
  readonly trust: Trust
  readonly crls: { lists: readonly Buffer[]; readonly changed: Notifier<void> } = { lists: [], changed: new Notifier() }
  readonly relay: RevocationRelay
  readonly svids: SvidCache
  readonly holders: ProcessHolders
  #isSynced: boolean
  #sequence = 1
  #listener: WorkloadListener | undefined

  private constructor(options: ApiOptions) {
    this.#dir = mkdtempSync(join(tmpdir(), 'mf-'))
    chmodSync(this.#dir, 0o755)
    this.socket = join(this.#dir, 's')
    this.#isSynced = options.synced ?? true
    this.signer = new TestSigner(systemClock, options.ttlMs ?? 900_000)
    this.trust = new Trust({ trustDomain: parseTrustDomain('test.example'), x509Authorities: [this.signer.issuer.certificate], sequence: 1n, refreshHintSeconds: undefined })
    this.relay = new RevocationRelay({ maxReaders: 100, maxFrames: 100 }, { clock: systemClock, log: this.log, anchors: () => this.trust.bundles.authoritiesOf(this.trust.trustDomain), askTime: async () => Promise.reject(new Error('nobody to ask')), wantSnapshot: () => undefined })
    const standing = new SvidStanding(this.trust, this.relay.reader, systemClock, this.log)
    this.svids = SvidCache.start(
      { maxSvids: 1_000, maxBatch: 100, retry: { leastMs: 50, mostMs: 1_000 }, maxSleepMs: 1_000 },
      { clock: systemClock, random: systemRandom, log: this.log, signer: this.signer, standing: (svid) => standing.of(svid), ended: (serials) => {
          this.ended.push(...serials)
          this.endedChanged.emit()
        } },
    )
    this.holders = ProcessHolders.start({ pollMs: 50 }, { exitWatch: this.#exitWatch, processes: linuxProcesses(), clock: systemClock, log: this.log, onLastExit: (id) => this.svids.lastExit(id) })
    this.entries.changed.on(() => {
      this.signer.entries = this.entries.all
      this.svids.replaceEntries(this.entries.all)
    })
    this.trust.changed.on(() => this.svids.recheck())
  }

  static async start(options: ApiOptions = {}): Promise<TestApi> {
    const api = new TestApi(options)
    const processes = linuxProcesses()
    const attestor = new WorkloadAttestor(processes, { sha256MaxBytes: 300_000_000, tier: 'auto' })
    api.#listener = await WorkloadListener.start(
      { socketPath: api.socket, maxConnections: options.maxConnections ?? 12_000, maxIdleMs: 60_000, drainMs: 200 },
      {
        clock: systemClock,
        log: api.log,
        admission: new Admission({ connectionsPerUid: 4_000, connectionsPerProcess: 1_000, streamsPerUid: 4_000, streamsPerProcess: 256, ...options.limits }),
        relay: api.relay,
        check: new SvidCheck({ clock: systemClock, bundles: () => api.trust.bundles, revocations: api.relay.reader }),
        checkTerms: { perSecond: 2_000, burst: 4_000 },
        reports: new VerifierReports(),
        connections: { processes, exitWatch: api.#exitWatch, attestor, tier: 'auto', needs: () => api.entries.kinds },
        notSynced: () => (api.#isSynced ? undefined : api.#synced.promise),
        syncWaitMs: options.syncWaitMs ?? 200,
        x509: () => api.streams,
      },
    )
    return api
  }

  /** What an agent's streams of SVIDs are made of. */
  get streams(): X509StreamsDeps {
    return {
      clock: systemClock,
      entries: this.entries,
      svids: this.svids,
      identities: new Identities(this.entries, this.svids, systemClock),
      trust: this.trust,
      federation: this.federation,
      crls: this.crls,
      hold: (id, { caller }) => {
        this.svids.hold(id)
        this.holders.hold(id, caller)
      },
    }
  }

  get connections(): number {
    return this.#listener?.connections ?? 0
  }

  entriesAre(...entries: readonly Entry[]): void {
    this.entries.replace([...entryMap(...entries).values()])
  }

  synced(): void {
    this.#isSynced = true
    this.#synced.resolve()
  }

  /** The bundle as the server would push it. */
  bundleIs(...authorities: readonly { readonly der: Uint8Array; readonly tainted?: boolean }[]): void {
    const wire: Bundle__Output = {
      trustDomain: 'test.example',
      x509Authorities: authorities.map(({ der, tainted }) => ({ asn1: Buffer.from(der), tainted: tainted ?? false })),
      jwtAuthorities: [],
      witAuthorities: [],
      refreshHint: 0,
      sequenceNumber: ++this.#sequence,
    }
    this.trust.replace(wire)
  }

  client(metadata: Readonly<Record<string, string>> = { 'workload.spiffe.io': 'true' }): RpcChannel {
    return RpcChannel.connectUnix(this.socket, { clock: systemClock, metadata })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.[Symbol.asyncDispose]()
    await this.svids[Symbol.asyncDispose]()
    await this.holders[Symbol.asyncDispose]()
    await this.#exitWatch[Symbol.asyncDispose]()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/** FetchX509SVID, a message at a time. */
export class SvidStream implements AsyncDisposable {
  readonly #channel: RpcChannel
  readonly #messages: AsyncGenerator<X509SVIDResponse__Output, void, undefined>

  constructor(api: TestApi) {
    this.#channel = api.client()
    this.#messages = this.#channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {})
  }

  /** The next message; throws what ended the stream. */
  async next(): Promise<X509SVIDResponse__Output> {
    const { value, done } = await this.#messages.next()
    if (done === true || value === undefined) throw new Error('the stream ended without a status')
    return value
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close()
    await this.#messages.return().catch(() => undefined)
  }
}

/** Resolves once it holds, looked at now and each time that the notifier tells. */
export async function holds<T>(changed: Notifier<T>, condition: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  using _ = changed.on(() => {
    if (condition()) resolve()
  })
  if (condition()) resolve()
  await promise
}
