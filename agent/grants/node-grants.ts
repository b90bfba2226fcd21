import { chmod, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { QuotaTerms } from '../../src/rpc/quota.ts'
import { isWithin } from '../../src/core/revocation/freshness.ts'
import { verifierService } from '../check/service.ts'
import type { SvidCheck } from '../check/svid-check.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import { reportService, streamService } from '../relay/services.ts'
import type { RelayServing } from '../relay/services.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import type { SvidStanding } from '../rotation/standing.ts'
import type { StateFiles } from '../sync/state-files.ts'
import type { ServerConnection } from '../sync/connection.ts'
import type { Trust } from '../sync/trust.ts'
import type { Admission } from '../workload-api/admission.ts'
import type { WorkloadConnection, WorkloadConnectionDeps } from '../workload-api/workload-connection.ts'
import { believedClock } from './believed-clock.ts'
import { GrantKeeper } from './keeper.ts'
import { GrantListener } from './listener.ts'
import type { GrantSystem } from './ports.ts'
import type { Probe } from './probes.ts'
import { RememberedCgroups } from './remembered-cgroups.ts'
import { grantServerOver } from './server-calls.ts'
import { grantsServiceOf, grantWorkloadApi } from './service.ts'
import { StepHttp } from './step-http.ts'

export interface NodeGrantsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly files: StateFiles
  readonly system: GrantSystem
  readonly trust: Trust
  readonly relay: RevocationRelay
  readonly reports: VerifierReports
  readonly standing: SvidStanding
  readonly check: SvidCheck
  readonly checkTerms: QuotaTerms
  readonly admission: Admission
  readonly connections: WorkloadConnectionDeps
  connection(): ServerConnection
}

/**
 * The grants of this node, joined to the rest of the agent.
 * @param folder theirs alone: what an earlier life left there is removed
 */
export async function startNodeGrants(folder: string, probes: readonly Probe[], deps: NodeGrantsDeps): Promise<GrantKeeper> {
  const { clock, log, system, trust, relay, admission, connections } = deps
  await mkdir(folder, { recursive: true, mode: 0o711 })
  await chmod(folder, 0o711) // whose socket is whose is nobody's business
  const cgroups = system.cgroups === undefined ? undefined : new RememberedCgroups(system.cgroups, folder)
  for (const { name } of (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory())) await rm(join(folder, name), { recursive: true, force: true })
  const steps = new StepHttp(log, async (held, request, until) => await keeper.stepIn(held, request, until))
  const serving: RelayServing<WorkloadConnection> = { relay, reports: deps.reports, admit: ({ caller, processKey }) => admission.stream(caller.uid, processKey) }
  const keeper: GrantKeeper = await GrantKeeper.start(
    { bootId: system.bootId, tier: connections.tier, probes },
    {
      clock: believedClock(clock),
      log,
      random: deps.random,
      server: grantServerOver(() => deps.connection()),
      processes: connections.processes,
      exitWatch: connections.exitWatch,
      attestor: connections.attestor,
      cgroups,
      senses: system.senses,
      files: deps.files,
      loadPolicy: async (policies) => {
        const { PolicyEngine } = await import('../../src/policy/engine.ts')
        return await PolicyEngine.load(policies)
      },
      standing: (svid) => deps.standing.of(svid),
      isCurrent: () => deps.connection().connectedSinceMs !== undefined && isWithin(relay.reader.freshness(), 'strict'),
      forgetSoon: () => system.forgetSoon(),
      listen: async (grantId, held) =>
        await GrantListener.start(folder, grantId, held, {
          clock,
          log,
          connections,
          outsider: (id, process) => keeper.outsider(id, process),
          serve: (server, gate) => {
            server.add('SpiffeWorkloadAPI', grantWorkloadApi(gate, trust, admission))
            server.add('mayfly.v1.Grants', grantsServiceOf(gate, () => keeper, admission))
            server.add('mayfly.v1.RevocationStream', streamService(serving))
            server.add('mayfly.v1.Verifier', verifierService(deps.check, clock, deps.checkTerms))
            server.add('mayfly.v1.VerifierReports', reportService(serving))
          },
          http: (socket, connection, gate) => steps.serve(socket, connection, gate),
        }),
    },
  )
  relay.changed.on(() => keeper.recheck())
  trust.changed.on(() => keeper.recheck())
  return keeper
}

/** Where the sockets of grants are. */
export function grantsFolder(dataDir: string): string {
  return join(dataDir, 'grants')
}
