import type { ActivateGrantRequest } from '../../../proto/generated/mayfly/v1/ActivateGrantRequest.ts'
import type { AgentEndGrantRequest } from '../../../proto/generated/mayfly/v1/AgentEndGrantRequest.ts'
import type { AttestedRequest } from '../../../proto/generated/mayfly/v1/AttestedRequest.ts'
import type { ConfirmStepRequest } from '../../../proto/generated/mayfly/v1/ConfirmStepRequest.ts'
import type { Grant__Output } from '../../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantCredential__Output } from '../../../proto/generated/mayfly/v1/GrantCredential.ts'
import type { OutsiderReport } from '../../../proto/generated/mayfly/v1/OutsiderReport.ts'
import type { RecordStepsRequest__Output } from '../../../proto/generated/mayfly/v1/RecordStepsRequest.ts'
import type { StepAnswer__Output } from '../../../proto/generated/mayfly/v1/StepAnswer.ts'
import type { StepTerms__Output } from '../../../proto/generated/mayfly/v1/StepTerms.ts'
import type { TakenStep } from '../../../proto/generated/mayfly/v1/TakenStep.ts'
import type { GrantServer } from '../../../agent/grants/ports.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import { methodOf } from '../../../src/rpc/services.ts'
import { TestIssuer } from './test-issuer.ts'

const recordSteps = methodOf('mayfly.v1.GrantControl', 'RecordSteps')

/** A server of a test as the grants of an agent see it; what it decides is set by the test. */
export class FakeGrantServer implements GrantServer {
  readonly issuer: TestIssuer
  readonly grants: Map<string, Grant__Output> = new Map()
  readonly asked: AttestedRequest[] = []
  readonly issued: ActivateGrantRequest[] = []
  readonly ends: AgentEndGrantRequest[] = []
  readonly recorded: TakenStep[] = []
  readonly confirms: ConfirmStepRequest[] = []
  readonly outsiders: OutsiderReport[] = []
  /** The state that a request comes to. */
  asks: 'approved' | 'pending_approval' | 'denied' = 'approved'
  away = false
  /** An end is answered when this has resolved. */
  answersEnds: Promise<void> = Promise.resolve()
  refuses: MayflyError | undefined
  credentialMs = 60_000
  seconds = 300
  renewals = 3
  steps = 10
  block = 4
  terms: Partial<StepTerms__Output> = {}
  confirmed: Partial<StepAnswer__Output> = { allowed: true }
  /** Told of each change, as the sync stream tells the agent. */
  push: (grant: Grant__Output) => void = () => undefined
  readonly #clock: Clock
  /** Two tests of one process make cgroups of different names. */
  readonly #started = started++
  #changed: (() => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.issuer = new TestIssuer('test.example', clock.nowMs())
  }

  /** Resolves once it holds; looks whenever the agent has said something. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#changed.push(resolve))
  }

  async request(request: AttestedRequest): Promise<Grant__Output> {
    this.#hear()
    this.asked.push(request)
    const id = `${process.pid}x${this.#started}x${this.grants.size}`.padStart(26, '0')
    const nowMs = this.#clock.nowMs()
    const { intent } = request.request ?? {}
    const parent = request.parentGrantId === undefined || request.parentGrantId === '' ? '' : request.parentGrantId
    const grant: Grant__Output = {
      ...emptyGrant,
      id,
      spiffeId: parent === '' ? `spiffe://test.example/job/task/${id}` : `${this.grants.get(parent)?.spiffeId ?? ''}/sub/${id}`,
      role: 'job',
      parentId: parent,
      rootId: id,
      agentId: 'spiffe://test.example/spire/agent/join_token/a',
      requester: request.requester ?? '',
      instance: request.instance ?? '',
      owner: 'team',
      intent: { actions: [...(intent?.actions ?? [])], resources: [...(intent?.resources ?? [])], workspace: { system: '', environment: '', tenant: '' }, expectedOutcome: '', reason: '', ticket: '' },
      budget: { seconds: this.seconds, renewals: this.renewals, steps: this.steps, children: 5, depth: 2 },
      state: this.asks,
      requestedAtMs: nowMs,
      lapsesAtMs: nowMs + 60_000,
      version: 1,
    }
    return this.#put(grant)
  }

  async activate(request: ActivateGrantRequest): Promise<GrantCredential__Output> {
    this.#hear()
    const nowMs = this.#clock.nowMs()
    const grant = this.#grant(request.grantId)
    if (grant.state !== 'approved') throw new MayflyError('GRANT_STATE', `it is ${grant.state}`)
    return this.#credential(request, { ...grant, state: 'active', activatedAtMs: nowMs, deadlineMs: nowMs + this.seconds * 1_000, binding: request.binding ?? '', tier: request.tier ?? '' })
  }

  async renew(request: ActivateGrantRequest): Promise<GrantCredential__Output> {
    this.#hear()
    const grant = this.#grant(request.grantId)
    if (grant.state !== 'active') throw new MayflyError('GRANT_ENDED', `it is ${grant.state}`)
    const used = { steps: grant.used?.steps ?? 0, children: 0, renewals: (grant.used?.renewals ?? 0) + 1 }
    if (used.renewals > this.renewals) throw new MayflyError('BUDGET_SPENT', 'no renewal is left')
    return this.#credential(request, { ...grant, used })
  }

  async leaseSteps(grantId: string): Promise<number> {
    this.#hear()
    const grant = this.#grant(grantId)
    const steps = Math.min(this.block, this.steps - (grant.used?.steps ?? 0))
    this.#put({ ...grant, used: { renewals: grant.used?.renewals ?? 0, children: 0, steps: (grant.used?.steps ?? 0) + steps } })
    return steps
  }

  async reportOutsider(report: OutsiderReport): Promise<void> {
    this.#hear()
    this.outsiders.push(report)
    this.#tell()
  }

  writeStep(step: TakenStep): Uint8Array {
    return recordSteps.requestSerialize({ steps: [step] })
  }

  async recordSteps(steps: readonly Uint8Array[]): Promise<void> {
    this.#hear()
    this.recorded.push(...(recordSteps.requestDeserialize(Buffer.concat(steps)) as RecordStepsRequest__Output).steps) // of that method
    this.#tell()
  }

  async confirmStep(request: ConfirmStepRequest): Promise<StepAnswer__Output> {
    this.#hear()
    this.confirms.push(request)
    this.#tell()
    return { allowed: false, reasons: ['server'], approvalId: '', stepsLeft: 0, policyHash: '', hint: '', ...this.confirmed }
  }

  async end(request: AgentEndGrantRequest): Promise<Grant__Output> {
    this.#hear()
    this.ends.push(request)
    await this.answersEnds
    const grant = this.#grant(request.grantId)
    if (['ended', 'denied', 'lapsed'].includes(grant.state)) return grant
    const state = request.cause === 'withdrawn' ? 'lapsed' : 'ended'
    return this.#put({ ...grant, state, cause: request.cause === 'withdrawn' ? '' : (request.cause ?? ''), outcome: request.outcome ?? '', detail: request.detail ?? '', endedAtMs: this.#clock.nowMs() })
  }

  async show(grantId: string): Promise<Grant__Output> {
    this.#hear()
    return this.#grant(grantId)
  }

  /** A change that comes from elsewhere: an approver, an operator, time. */
  move(grantId: string, change: Partial<Grant__Output>): Grant__Output {
    return this.#put({ ...this.#grant(grantId), ...change })
  }

  #credential(request: ActivateGrantRequest, grant: Grant__Output): GrantCredential__Output {
    this.issued.push(request)
    if (!(request.csr instanceof Uint8Array)) throw new MayflyError('CSR_INVALID', 'no CSR')
    const leaf = this.issuer.sign(request.csr, grant.spiffeId, this.#clock.nowMs(), this.credentialMs)
    const moved = this.#put({ ...grant, notAfterMs: this.#clock.nowMs() + this.credentialMs })
    const terms: StepTerms__Output = {
      intents: [{ actions: grant.intent?.actions ?? [], resources: grant.intent?.resources ?? [], dataClass: 'internal', workspace: { system: '', environment: '', tenant: '' } }],
      confirmActions: [],
      approveActions: [],
      leasedSteps: 0,
      probes: [],
      waived: false,
      progressSeconds: 0,
      maxTtlSeconds: 300,
      ...this.terms,
    }
    return { grant: moved, chain: [Buffer.from(leaf)], terms }
  }

  #grant(id = ''): Grant__Output {
    const grant = this.grants.get(id)
    if (grant === undefined) throw new MayflyError('NOT_FOUND', 'no such grant')
    return grant
  }

  #put(changed: Grant__Output): Grant__Output {
    const grant = { ...changed, version: changed.version + 1 }
    this.grants.set(grant.id, grant)
    queueMicrotask(() => this.push(grant))
    this.#tell()
    return grant
  }

  #tell(): void {
    for (const resolve of this.#changed.splice(0)) resolve()
  }

  #hear(): void {
    if (this.away) throw new MayflyError('UNAVAILABLE', 'the server is away')
    if (this.refuses !== undefined) throw this.refuses
  }
}

let started = 0

const emptyGrant: Grant__Output = {
  id: '', spiffeId: '', role: '', parentId: '', rootId: '', depth: 0, agentId: '', requester: '', instance: '', owner: '', intent: null, intentHash: '', requestHash: '', budget: null, used: null, binding: '', tier: '',
  state: 'requested', cause: '', detail: '', requestedAtMs: 0, lapsesAtMs: 0, activatedAtMs: 0, deadlineMs: 0, endedAtMs: 0, serial: '', notAfterMs: 0, approvalsNeeded: 0, approvals: [], flags: [], outcome: '',
  outcomeAsExpected: false, decision: null, version: 0, ttlSeconds: 0, roleVersion: 1, policyHash: '', mayApprove: [],
}
