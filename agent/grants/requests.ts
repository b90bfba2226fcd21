import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { RequestGrantRequest__Output } from '../../proto/generated/mayfly/v1/RequestGrantRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { within } from '../abortable.ts'
import type { WorkloadAttestor } from '../attest/attestor.ts'
import type { Processes } from '../attest/ports.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import { tierFor } from './binding.ts'
import type { BindingDeps, BindingKind } from './binding.ts'
import { grantKinds, toldOf } from './credential-request.ts'
import type { Endings } from './endings.ts'
import { pidsAbove } from './lineage.ts'
import type { ProcessName } from './lineage.ts'
import type { GrantServer } from './ports.ts'
import type { Probes } from './probes.ts'
import type { Roster } from './roster.ts'
import { Task } from './task.ts'

export interface RequestsDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly server: Pick<GrantServer, 'request'>
  readonly processes: Processes
  readonly attestor: WorkloadAttestor
  readonly roster: Roster
  readonly endings: Endings
  readonly probes: Probes
  readonly bindings: BindingDeps
  /** Names a process on this node for ever. */
  instanceOf(process: ProcessName): string
  /** Aborts when the agent stops. */
  readonly stop: AbortSignal
}

/** Of one user: policy is asked for each, and each is a record for ever. */
const terms = { perSecond: 10, burst: 200 }
/** How long a first request waits for the server's word on what runs on this node. */
const knownWaitMs = 5_000

/** Has attested processes of this node ask the server for grants. */
export class Requests {
  readonly #deps: RequestsDeps
  readonly #quota: Quota
  readonly #known = Promise.withResolvers<void>()
  /** That the server has not answered yet: what they become may be in its news before. */
  #asking = 0
  readonly #unclaimed = new Map<string, Grant__Output>()

  constructor(deps: RequestsDeps) {
    this.#deps = deps
    this.#quota = new Quota(deps.clock, terms)
  }

  /** Whether the server's news may be of grants that nobody here has yet. */
  get isAsking(): boolean {
    return this.#asking > 0
  }

  /** What runs on this node is known: requests need not wait for it any more. */
  begin(): void {
    this.#known.resolve()
  }

  /** There is news of a grant that nobody here has. */
  heardOf(grant: Grant__Output): void {
    if (this.isAsking) this.#unclaimed.set(grant.id, grant)
  }

  /** @throws {MayflyError} LIMIT_EXCEEDED, UNAVAILABLE, INVALID_ARGUMENT, and what the server refuses with */
  async ask(connection: WorkloadConnection, request: RequestGrantRequest__Output, parentId: string, signal: AbortSignal): Promise<Task> {
    const { clock, log, server, attestor, roster, endings, probes, bindings, instanceOf, stop } = this.#deps
    const kind = kindOf(request.binding)
    this.#quota.take(String(connection.caller.uid), 1)
    await within(this.#known.promise, knownWaitMs, notKnownYet, clock, signal)
    await connection.attest()
    const { caller } = connection
    const attestation = await attestor.attest(caller, grantKinds)
    const { uid } = attestation
    const instance = instanceOf(caller)
    this.#asking++
    try {
      const grant = await server.request(
        { request, selectors: toldOf(attestation), requester: `uid:${uid}`, instance, tier: tierFor(caller, bindings), parentGrantId: parentId, probes: [...(await probes.look())], insideGrantId: parentId === '' ? this.#around(caller, instance) : '' },
        stop,
      )
      const task = new Task(grant, instance, kind)
      roster.add(task)
      const newer = this.#unclaimed.get(grant.id)
      if (newer !== undefined) task.update(newer)
      log.info({ event: 'grant.requested', grantId: grant.id, spiffeId: grant.spiffeId, role: grant.role, state: task.grant.state, uid, pid: caller.pid }, 'a process asked for a grant')
      if (signal.aborted) void endings.withdraw(task)
      return task
    } finally {
      if (--this.#asking === 0) this.#unclaimed.clear()
    }
  }

  /**
   * A grant that a process runs inside of and did not ask for itself; empty when there is none. Who asked for a grant was there before it, and asks for others as what it is;
   * what runs inside belongs to the task, and what it asks for beside the grant's socket would be none of its children (invariants 6 and 7).
   */
  #around(caller: WorkloadConnection['caller'], instance: string): string {
    const { processes, roster } = this.#deps
    const place = { cgroup: processes.cgroupOf(caller.pid), pids: pidsAbove(caller, processes) }
    const around = roster.all().find((task) => task.instance !== instance && task.held?.over.aborted === false && task.held.binding.mayHave(place) && task.held.binding.has(caller))
    return around?.id ?? ''
  }
}

function notKnownYet(): MayflyError {
  return new MayflyError('UNAVAILABLE', 'the agent has not heard from its server yet')
}

/** @throws {MayflyError} INVALID_ARGUMENT */
function kindOf(text: string): BindingKind {
  if (text === '' || text === 'process') return 'process'
  if (text === 'cgroup' || text === 'container') return text
  throw new MayflyError('INVALID_ARGUMENT', 'a grant is bound to a process, a cgroup or a container')
}
