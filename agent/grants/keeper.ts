import { createHash } from 'node:crypto'
import type { EndGrantRequest__Output } from '../../proto/generated/mayfly/v1/EndGrantRequest.ts'
import type { BindGrantRequest__Output } from '../../proto/generated/mayfly/v1/BindGrantRequest.ts'
import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantChanges__Output } from '../../proto/generated/mayfly/v1/GrantChanges.ts'
import type { GrantProgress } from '../../proto/generated/mayfly/v1/GrantProgress.ts'
import type { NodeGrant } from '../../proto/generated/mayfly/v1/NodeGrant.ts'
import type { PolicyPush__Output } from '../../proto/generated/mayfly/v1/PolicyPush.ts'
import type { RequestGrantRequest__Output } from '../../proto/generated/mayfly/v1/RequestGrantRequest.ts'
import type { StepAnswer } from '../../proto/generated/mayfly/v1/StepAnswer.ts'
import type { StepRequest__Output } from '../../proto/generated/mayfly/v1/StepRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { Quota } from '../../src/rpc/quota.ts'
import type { WorkloadAttestor } from '../attest/attestor.ts'
import type { ExitWatch, Processes } from '../attest/ports.ts'
import type { Standing } from '../rotation/standing.ts'
import type { WorkloadSvid } from '../rotation/workload-svid.ts'
import type { StateFiles } from '../sync/state-files.ts'
import type { GrantNews } from '../sync/intake.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import { activate } from './activation.ts'
import type { ActivationDeps } from './activation.ts'
import type { BindingDeps } from './binding.ts'
import { EndReports } from './end-reports.ts'
import { Endings } from './endings.ts'
import type { HeldGrant } from './held-grant.ts'
import type { ProcessName } from './lineage.ts'
import type { GrantListener } from './listener.ts'
import { Outsiders } from './outsiders.ts'
import { PushedPolicy } from './policy.ts'
import type { LoadPolicy } from './policy.ts'
import type { Cgroups, GrantServer, ProbeSenses } from './ports.ts'
import { Probes } from './probes.ts'
import type { Probe } from './probes.ts'
import { ProofOfLifeBeat } from './proof-of-life.ts'
import { Requests } from './requests.ts'
import { Roster } from './roster.ts'
import { StepRecords } from './step-records.ts'
import { isOverState, overError } from './task.ts'
import type { Task } from './task.ts'

export interface GrantKeeperConfig {
  /** Names one boot of this machine. */
  readonly bootId: string
  readonly tier: BindingDeps['tier']
  readonly probes: readonly Probe[]
}

export interface GrantKeeperDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly server: GrantServer
  readonly processes: Processes
  readonly exitWatch: ExitWatch
  readonly attestor: WorkloadAttestor
  readonly cgroups: Cgroups | undefined
  readonly senses: ProbeSenses
  readonly files: StateFiles
  readonly loadPolicy: LoadPolicy
  standing(svid: WorkloadSvid): Standing
  /** Whether what the server has acknowledged is known here within three seconds. */
  isCurrent(): boolean
  /** A key was dropped: nothing of it is to be left in memory, soon. */
  forgetSoon(): void
  /** Opens the grant's own socket. */
  listen(grantId: string, held: () => HeldGrant | undefined): Promise<GrantListener>
}

/** All grants of this node: asked for by attested processes, bound to what they live with, and ended with it. */
export class GrantKeeper implements GrantNews, AsyncDisposable {
  readonly life: ProofOfLifeBeat
  readonly #config: GrantKeeperConfig
  readonly #deps: GrantKeeperDeps
  readonly #stop = new AbortController()
  readonly #requests: Requests
  readonly #steps: Quota
  readonly #roster: Roster
  readonly #endings: Endings
  readonly #probes: Probes
  readonly #policy: PushedPolicy
  readonly #records: StepRecords
  readonly #reports: EndReports
  readonly #bindings: BindingDeps
  readonly #outsiders: Outsiders

  private constructor(config: GrantKeeperConfig, deps: GrantKeeperDeps, reports: EndReports) {
    this.#config = config
    this.#deps = deps
    this.#reports = reports
    this.#roster = new Roster(deps.clock)
    this.#steps = new Quota(deps.clock, stepTerms)
    this.#records = new StepRecords(deps)
    this.#policy = new PushedPolicy(deps.loadPolicy, deps.log)
    this.#probes = Probes.start(config.probes, { ...deps, wanted: () => this.#roster.held().length > 0 })
    this.#bindings = { ...deps, tier: config.tier }
    this.#outsiders = new Outsiders(deps)
    this.life = ProofOfLifeBeat.start({ clock: deps.clock, living: () => this.#roster.living(), probes: () => this.#probes.latest })
    this.#endings = new Endings({ clock: deps.clock, log: deps.log, reports, roster: this.#roster, life: this.life })
    this.#requests = new Requests({ ...deps, roster: this.#roster, endings: this.#endings, probes: this.#probes, bindings: this.#bindings, instanceOf: (process) => this.#instanceOf(process), stop: this.#stop.signal })
    this.#probes.changed.on((results) => {
      for (const { held } of this.#roster.held()) held.look(results)
      this.life.say()
    })
  }

  static async start(config: GrantKeeperConfig, deps: GrantKeeperDeps): Promise<GrantKeeper> {
    return new GrantKeeper(config, deps, await EndReports.start(deps))
  }

  /** How many run on this node. */
  get size(): number {
    return this.#roster.held().length
  }

  /** Asks for a grant and follows it until it runs or comes to nothing. A caller that goes away before has asked for nothing. @throws {MayflyError} what the server refuses with */
  async *request(connection: WorkloadConnection, request: RequestGrantRequest__Output, parentId: string, signal: AbortSignal): AsyncGenerator<GrantProgress, void, undefined> {
    const task = await this.#requests.ask(connection, request, parentId, signal)
    try {
      yield* task.follow(() => task.isOver || task.held !== undefined, signal)
    } finally {
      if (!task.isOver && !task.bindBegun) void this.#endings.withdraw(task)
    }
  }

  /** Binds and activates, then follows until the end. The grant does not outlive this call. @throws {MayflyError} GRANT_STATE, BINDING_TOO_WEAK, PERMISSION_DENIED, PROCESS_GONE, and what the server refuses with */
  async *bind(task: Task, connection: WorkloadConnection, { pid }: BindGrantRequest__Output, signal: AbortSignal): AsyncGenerator<GrantProgress, void, undefined> {
    if (task.isOver) throw overError(task)
    if (task.bindBegun || task.grant.state !== 'approved') throw new MayflyError('GRANT_STATE', `the grant is ${task.bindBegun ? 'bound already' : task.grant.state}: only one that is approved can be bound`)
    task.bindBegun = true
    try {
      await activate(task, connection, pid, signal, this.#activation())
      this.life.say()
    } catch (error) {
      task.bindBegun = false
      throw error
    }
    try {
      yield* task.follow(() => task.isOver, signal)
    } finally {
      const [cause, detail] = isStopping(signal) ? (['orphan', 'the agent stopped'] as const) : (['process_exit', 'the call that vouched for it is over'] as const)
      if (task.kind === 'container' && cause === 'process_exit' && !task.isOver) void this.#endings.lost(task, task.held?.binding.settling({ cause, detail }) ?? { cause, detail }, false)
      else this.#endings.end(task, cause, '', detail).catch(() => undefined) // reported by itself
    }
  }

  /** @throws {MayflyError} what the server refuses with */
  async renew(task: Task): Promise<Grant__Output> {
    return await runningOf(task).renew()
  }

  /** @throws {MayflyError} GRANT_STATE, GRANT_ENDED, NOT_IN_BINDING, INVALID_ARGUMENT */
  async step(task: Task, connection: WorkloadConnection, request: StepRequest__Output, until: () => AbortSignal): Promise<StepAnswer> {
    return await this.stepIn(this.#insideOf(task, connection), request, until)
  }

  /** The same for whoever was just let in. */
  async stepIn(held: HeldGrant, request: StepRequest__Output, until: () => AbortSignal): Promise<StepAnswer> {
    this.#steps.take(held.grant.id, 1)
    return await held.step(request, until)
  }

  /** The task says itself that it goes on. @throws {MayflyError} as {@link step} */
  heartbeat(task: Task, connection: WorkloadConnection): void {
    this.#insideOf(task, connection).progress()
  }

  /** The task, or whoever started it, says how it came out. */
  async finish(task: Task, { cause, outcome, detail }: EndGrantRequest__Output): Promise<Grant__Output> {
    if (cause !== 'completed' && cause !== 'failed') throw new MayflyError('INVALID_ARGUMENT', 'a task ends as completed or failed')
    if (task.end === undefined && isOverState(task.grant.state)) throw overError(task)
    return await this.#endings.end(task, cause, outcome, detail)
  }

  /** The grant that a process named, if it asked for it or is bound to it. @throws {MayflyError} NOT_FOUND */
  async reach(connection: WorkloadConnection, grantId: string): Promise<Task> {
    await connection.attest()
    const task = this.#roster.get(grantId)
    const instance = this.#instanceOf(connection.caller)
    if (task?.instance === instance || (task?.held !== undefined && task.held.binding.has(connection.caller))) return task
    throw new MayflyError('NOT_FOUND', 'this process has no such grant', { hint: 'a grant is the process’s that asked for it, and of what it was bound to' })
  }

  /** @throws {MayflyError} NOT_FOUND */
  below(parentId: string, grantId: string): Task {
    return this.#roster.below(parentId, grantId)
  }

  changed({ grants, complete, terms }: GrantChanges__Output): void {
    for (const grant of grants) this.#take(grant)
    for (const { grantId, terms: now } of terms) if (now !== null) this.#roster.get(grantId)?.adopt(now)
    if (!complete) return
    this.#compare(grants)
    this.#requests.begin()
  }

  policy(push: PolicyPush__Output): void {
    this.#policy.replace(push)
    if (this.size > 0) this.#policy.prepare()
  }

  /** A process came to the socket of a grant that it does not belong to. */
  outsider(grantId: string, process: { readonly pid: number; readonly uid: number }): void {
    this.#outsiders.note(grantId, process)
  }

  /** What runs here or waits to, for who looks at the agent; at most `limit`. */
  shown(limit: number): NodeGrant[] {
    const tasks = this.#roster.all().filter((task) => !task.isOver).slice(0, limit)
    return tasks.map(({ grant: { id, spiffeId, role, state, deadlineMs }, held }) => ({ id, spiffeId, role, state, deadlineMs, tier: held?.binding.tier ?? '', notAfterMs: held?.svid?.notAfterMs ?? 0, pid: held?.binding.subject.pid ?? 0 }))
  }

  /** Revocations or the bundle are others. */
  recheck(): void {
    for (const { held } of this.#roster.held()) held.recheck()
  }

  /** Ends what runs here: it cannot outlive the agent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await this.#endings.endAll()
    await this.#outsiders[Symbol.asyncDispose]()
    await this.life[Symbol.asyncDispose]()
    await this.#probes[Symbol.asyncDispose]()
    await this.#records[Symbol.asyncDispose]()
    await this.#reports[Symbol.asyncDispose]()
  }

  #activation(): ActivationDeps {
    const { log } = this.#deps
    const held = { ...this.#deps, probes: this.#probes, policy: this.#policy, records: this.#records, instanceOf: (process: ProcessName) => this.#instanceOf(process) }
    return { log, bindings: this.#bindings, endings: this.#endings, held, listen: async (grantId, grant) => await this.#deps.listen(grantId, grant) }
  }

  #take(grant: Grant__Output): void {
    const task = this.#roster.get(grant.id)
    if (task === undefined) return this.#requests.heardOf(grant)
    const wasOver = task.isOver
    task.update(grant)
    if (wasOver || !isOverState(task.grant.state)) return
    this.#deps.log.info({ event: 'grant.ended', grantId: grant.id, state: task.grant.state, cause: task.grant.cause, detail: task.grant.detail }, 'a grant is over')
    this.#endings.purge(task)
  }

  /** The server has said all that is not over: what it does not name is asked about, and what nobody here holds is ended. */
  #compare(all: readonly Grant__Output[]): void {
    const named = new Set(all.map(({ id }) => id))
    for (const task of this.#roster.all()) if (!task.isOver && !named.has(task.id)) void this.#askAbout(task)
    if (this.#requests.isAsking) return
    for (const grant of all) {
      if (this.#roster.get(grant.id) !== undefined || isOverState(grant.state)) continue
      const cause = grant.state === 'active' || grant.state === 'suspended' ? 'orphan' : 'withdrawn'
      this.#reports.report({ grantId: grant.id, cause, outcome: '', detail: 'the agent has started anew' }).catch(() => undefined) // the server has it, or knows it no more
    }
  }

  async #askAbout(task: Task): Promise<void> {
    try {
      this.#take(await this.#deps.server.show(task.id, this.#stop.signal))
    } catch (error) {
      if (error instanceof MayflyError && error.code === 'NOT_FOUND') await this.#endings.end(task, 'orphan', '', 'the server knows it no more').catch(() => undefined)
    }
  }

  /** @throws {MayflyError} NOT_IN_BINDING */
  #insideOf(task: Task, connection: WorkloadConnection): HeldGrant {
    const held = runningOf(task)
    if (held.binding.has(connection.caller)) return held
    throw new MayflyError('NOT_IN_BINDING', `process ${connection.caller.pid} does not belong to what this grant is bound to`, { hint: 'only the task itself takes steps and shows that it goes on' })
  }

  #instanceOf({ pid, startTicks }: ProcessName): string {
    return createHash('sha256').update(`${this.#config.bootId}:${pid}:${startTicks}`).digest('hex')
  }
}

/** Of one grant: also a step that is denied is written down. */
const stepTerms = { perSecond: 1_000, burst: 4_000 }

function runningOf(task: Task): HeldGrant {
  if (task.isOver) throw overError(task)
  if (task.held === undefined) throw new MayflyError('GRANT_STATE', `the grant is ${task.grant.state}: it does not run yet`)
  return task.held
}

function isStopping({ reason }: AbortSignal): boolean {
  return reason instanceof MayflyError && reason.code === 'SHUTTING_DOWN'
}
