import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WorkloadAttestor } from '../../../agent/attest/attestor.ts'
import type { TierChoice } from '../../../agent/attest/caller.ts'
import type { FactSource } from '../../../agent/attest/fact-source.ts'
import { GrantKeeper } from '../../../agent/grants/keeper.ts'
import { GrantListener } from '../../../agent/grants/listener.ts'
import type { LoadPolicy } from '../../../agent/grants/policy.ts'
import type { Probe } from '../../../agent/grants/probes.ts'
import { grantsService, grantsServiceOf, grantWorkloadApi } from '../../../agent/grants/service.ts'
import { StepHttp } from '../../../agent/grants/step-http.ts'
import { RevocationRelay } from '../../../agent/relay/revocation-relay.ts'
import { SvidStanding } from '../../../agent/rotation/standing.ts'
import { Trust } from '../../../agent/sync/trust.ts'
import { Admission } from '../../../agent/workload-api/admission.ts'
import { WorkloadConnection } from '../../../agent/workload-api/workload-connection.ts'
import type { WorkloadConnectionDeps } from '../../../agent/workload-api/workload-connection.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { listenUnix } from '../../../src/rpc/listen-unix.ts'
import type { Listener } from '../../../src/rpc/listen-unix.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { RpcServer } from '../../../src/rpc/server.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { LinuxCgroups } from '../../../src/system/linux/cgroups.ts'
import { ExitWatch } from '../../../src/system/linux/exit-watch.ts'
import { linuxProcesses } from '../../../src/system/linux/processes.ts'
import { probeSenses } from '../../../src/system/probe-senses.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { FakeGrantServer } from './fake-grant-server.ts'
import { MemoryFiles } from './memory-files.ts'
import { KeptLog } from './quiet.ts'

export interface TestGrantsOptions {
  readonly tier?: TierChoice
  readonly probes?: readonly Probe[]
  readonly files?: MemoryFiles
  /** Workload attestors beside the usual ones. */
  readonly sources?: readonly FactSource[]
}

const allows: LoadPolicy = async () => ({ hash: 'h1', decide: ({ context }) => ({ allowed: !context.actions.includes('forbidden'), reasons: [context.actions.includes('forbidden') ? 'no-forbidden' : 'permit-all'], policyHash: 'h1', approvalsWanted: 0 }) })

/** The grants of an agent on real sockets with real processes, over a server of the test's own. */
export class TestGrants implements AsyncDisposable {
  readonly dir: string
  readonly socket: string
  readonly log: KeptLog = new KeptLog()
  readonly server: FakeGrantServer = new FakeGrantServer(systemClock)
  readonly files: MemoryFiles
  /** Whether the agent is abreast of its server. */
  current = true
  loadPolicy: LoadPolicy = allows
  readonly #exitWatch = ExitWatch.start()
  readonly #connections: WorkloadConnectionDeps
  readonly #rpc: RpcServer<WorkloadConnection>
  readonly #steps: StepHttp
  #listener: Listener | undefined
  #keeper: GrantKeeper | undefined

  private constructor(options: TestGrantsOptions) {
    this.dir = mkdtempSync(join(tmpdir(), 'mf-'))
    chmodSync(this.dir, 0o755)
    this.socket = join(this.dir, 's')
    this.files = options.files ?? new MemoryFiles()
    const processes = linuxProcesses()
    const tier = options.tier ?? 'auto'
    this.#connections = { processes, exitWatch: this.#exitWatch, attestor: new WorkloadAttestor(processes, { sha256MaxBytes: 0, tier: tier === 'cgroup' ? 'auto' : tier, sources: options.sources ?? [] }), tier: tier === 'cgroup' ? 'auto' : tier, needs: () => new Set() }
    this.#rpc = new RpcServer<WorkloadConnection>({ clock: systemClock, log: this.log })
    this.#steps = new StepHttp(this.log, async (held, request, signal) => await this.keeper.stepIn(held, request, signal))
  }

  static async start(options: TestGrantsOptions = {}): Promise<TestGrants> {
    const world = new TestGrants(options)
    await world.#start(options)
    return world
  }

  get keeper(): GrantKeeper {
    if (this.#keeper === undefined) throw new Error('not started')
    return this.#keeper
  }

  /** Folders of grants on disk. */
  get folders(): readonly string[] {
    return existsSync(join(this.dir, 'g')) ? readdirSync(join(this.dir, 'g')) : []
  }

  client(socket: string = this.socket): RpcChannel {
    return RpcChannel.connectUnix(socket, { clock: systemClock, metadata: { 'workload.spiffe.io': 'true' } })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close()
    await this.#keeper?.[Symbol.asyncDispose]()
    await this.#rpc.close(100)
    this.#steps.close()
    await this.#exitWatch[Symbol.asyncDispose]()
    rmSync(this.dir, { recursive: true, force: true })
  }

  async #start({ tier = 'auto', probes = [] }: TestGrantsOptions): Promise<void> {
    const trust = new Trust({ trustDomain: parseTrustDomain('test.example'), x509Authorities: [this.server.issuer.certificate], sequence: 1n, refreshHintSeconds: undefined })
    const relay = new RevocationRelay({ maxReaders: 10, maxFrames: 10, id: systemRandom.bytes(16) }, { clock: systemClock, log: this.log, anchors: () => trust.bundles.authoritiesOf(trust.trustDomain), askTime: async () => Promise.reject(new Error('nobody to ask')), wantSnapshot: () => undefined })
    const standing = new SvidStanding(trust, relay.reader, systemClock, this.log)
    const admission = new Admission({ connectionsPerUid: 1_000, connectionsPerProcess: 1_000, streamsPerUid: 1_000, streamsPerProcess: 256 })
    const keeper = await GrantKeeper.start(
      { bootId: 'boot', tier, probes },
      {
        ...this.#connections,
        clock: systemClock,
        random: systemRandom,
        log: this.log,
        server: this.server,
        cgroups: LinuxCgroups.open(),
        senses: probeSenses,
        files: this.files,
        loadPolicy: async (set) => await this.loadPolicy(set),
        standing: (svid) => standing.of(svid),
        isCurrent: () => this.current,
        forgetSoon: () => undefined,
        listen: async (id, held) =>
          await GrantListener.start(join(this.dir, 'g'), id, held, {
            clock: systemClock,
            log: this.log,
            connections: this.#connections,
            outsider: (grantId, process) => keeper.outsider(grantId, process),
            serve: (server, gate) => {
              server.add('SpiffeWorkloadAPI', grantWorkloadApi(gate, trust, admission))
              server.add('mayfly.v1.Grants', grantsServiceOf(gate, () => keeper, admission))
            },
            http: (socket, connection, gate) => this.#steps.serve(socket, connection, gate),
          }),
      },
    )
    this.#keeper = keeper
    this.server.push = (grant) => keeper.changed({ grants: [grant], complete: false, terms: [] })
    keeper.changed({ grants: [], complete: true, terms: [] })
    keeper.policy({ hash: 'h1', policies: '{}' })
    this.#rpc.add('mayfly.v1.Grants', grantsService(() => keeper, admission, async () => undefined))
    this.#listener = await listenUnix(this.socket, { mode: 0o777, onConnection: (socket) => {
      const connection = WorkloadConnection.of(socket, this.#connections)
      socket.once('close', () => connection[Symbol.dispose]())
      this.#rpc.inject(socket, connection)
    } })
  }
}
