import type { ActivateGrantRequest } from '../../proto/generated/mayfly/v1/ActivateGrantRequest.ts'
import type { AgentEndGrantRequest } from '../../proto/generated/mayfly/v1/AgentEndGrantRequest.ts'
import type { AttestedRequest } from '../../proto/generated/mayfly/v1/AttestedRequest.ts'
import type { ConfirmStepRequest } from '../../proto/generated/mayfly/v1/ConfirmStepRequest.ts'
import type { Grant__Output } from '../../proto/generated/mayfly/v1/Grant.ts'
import type { GrantCredential__Output } from '../../proto/generated/mayfly/v1/GrantCredential.ts'
import type { OutsiderReport } from '../../proto/generated/mayfly/v1/OutsiderReport.ts'
import type { StepAnswer__Output } from '../../proto/generated/mayfly/v1/StepAnswer.ts'
import type { TakenStep } from '../../proto/generated/mayfly/v1/TakenStep.ts'

/** `mayfly.v1.GrantControl` of the server. Each call fails with UNAVAILABLE while it is away, and with the code that it refuses with. */
export interface GrantServer {
  request(request: AttestedRequest, signal: AbortSignal): Promise<Grant__Output>
  activate(request: ActivateGrantRequest, signal: AbortSignal): Promise<GrantCredential__Output>
  renew(request: ActivateGrantRequest, signal: AbortSignal): Promise<GrantCredential__Output>
  /** How many more steps may pass; 0 when the budget is spent. */
  leaseSteps(grantId: string, signal: AbortSignal): Promise<number>
  /** As {@link GrantServer.recordSteps} takes it: made when the step is taken, so that a batch of hundreds holds up nothing when it is sent. */
  writeStep(step: TakenStep): Uint8Array
  recordSteps(steps: readonly Uint8Array[], signal: AbortSignal): Promise<void>
  confirmStep(request: ConfirmStepRequest, signal: AbortSignal): Promise<StepAnswer__Output>
  end(request: AgentEndGrantRequest, signal: AbortSignal): Promise<Grant__Output>
  show(grantId: string, signal: AbortSignal): Promise<Grant__Output>
  /** Flags the grant and, by role, ends it. */
  reportOutsider(report: OutsiderReport, signal: AbortSignal): Promise<void>
}

/** Cgroups (version 2) that the agent makes for grants; `src/system/linux/cgroups.ts` keeps these promises. */
export interface Cgroups {
  /** Makes a cgroup below the one the process is in and moves it, with all that descend from it, there. Its path; `undefined` when that cannot be done. */
  confine(pid: number, name: string): string | undefined
  /** Whether a process is in it or below; `undefined` when it is gone. */
  populated(path: string): boolean | undefined
  /** Calls `onChange` soon after that became another. */
  watch(path: string, onChange: () => void): Disposable
  /** Removes what {@link confine} made; processes that are left go where they came from. Resolves once it is gone, or will not go. */
  release(path: string): Promise<void>
}

/** How posture probes look at the machine. Rejections count as a probe that fails. */
export interface ProbeSenses {
  /** SHA-256 of a file, lower-case hexadecimal. */
  digest(path: string): Promise<string>
  /** Exit code of a command, run without a shell. */
  run(argv: readonly string[], limitMs: number, signal: AbortSignal): Promise<number>
  /** A parameter of the kernel, as `kernel.randomize_va_space`. */
  kernel(key: string): Promise<string>
}

/** What grants need of the machine, besides processes. */
export interface GrantSystem {
  /** Names one boot of this machine. */
  readonly bootId: string
  /** `undefined` where the agent can make none. */
  readonly cgroups: Cgroups | undefined
  readonly senses: ProbeSenses
  /** A key was dropped: what the garbage collector still holds of it is to go within seconds. */
  forgetSoon(): void
}
