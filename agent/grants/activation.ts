import { MayflyError } from '../../src/core/errors.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { Caller } from '../attest/caller.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import { Binding } from './binding.ts'
import type { BindingDeps, BindingEnd } from './binding.ts'
import type { Endings } from './endings.ts'
import { HeldGrant } from './held-grant.ts'
import type { HeldGrantDeps } from './held-grant.ts'
import type { GrantListener } from './listener.ts'
import { overError } from './task.ts'
import type { Task } from './task.ts'

export interface ActivationDeps {
  readonly log: Logger
  readonly bindings: BindingDeps
  readonly endings: Endings
  /** All but whom to tell of the end. */
  readonly held: Omit<HeldGrantDeps, 'onEnd'>
  /** Opens the grant's own socket. */
  listen(grantId: string, held: () => HeldGrant | undefined): Promise<GrantListener>
}

/**
 * Binds a task to its caller, or to a child that the caller names, and has it run: socket first, then the server's word, so that nothing is issued that cannot be
 * handed out. What fails leaves nothing behind. @throws {MayflyError} PERMISSION_DENIED, PROCESS_GONE, BINDING_TOO_WEAK, what the server refuses with
 */
export async function activate(task: Task, connection: WorkloadConnection, pid: number, signal: AbortSignal, deps: ActivationDeps): Promise<void> {
  const { log, bindings, endings } = deps
  const { caller } = connection
  await connection.attest()
  const isChild = pid !== 0 && pid !== caller.pid
  const subject = isChild ? Caller.childOf(caller, pid, bindings.processes) : Caller.same(caller, bindings.processes)
  let early: BindingEnd | undefined
  const binding = Binding.of(subject, task.kind, task.id, bindings, (end) => {
    if (task.held === undefined) early = end
    else void endings.lost(task, end, isChild)
  })
  let listener: GrantListener | undefined
  let running: HeldGrant | undefined // the socket knows it for longer than the task does, to say how it ended
  try {
    listener = await deps.listen(task.id, () => running)
    const onEnd: HeldGrantDeps['onEnd'] = (cause, detail) => void endings.end(task, cause, '', detail).catch(() => undefined) // reported by itself
    const held = (running = await HeldGrant.activate(task.grant, binding, { ...deps.held, onEnd }, signal))
    task.run(held, listener)
    log.info({ event: 'grant.activated', grantId: task.id, spiffeId: task.grant.spiffeId, binding: binding.kind, tier: binding.tier, pid: subject.pid, serial: held.svid?.serialHex ?? '', deadlineMs: task.grant.deadlineMs }, 'a grant runs')
  } catch (error) {
    binding[Symbol.dispose]()
    await listener?.[Symbol.asyncDispose]()
    if (mayRun(error)) endings.end(task, 'failed', '', 'it could not be activated').catch(() => undefined) // reported by itself
    throw error
  }
  if (task.isOver) {
    endings.purge(task) // it ended while it was being activated
    throw overError(task)
  }
  if (early !== undefined || !binding.holds()) void endings.lost(task, early ?? binding.end ?? goneEarly, isChild)
}

const goneEarly: BindingEnd = { cause: 'process_exit', detail: 'its process exited before the grant ran' }

/** With these the server says that it did not activate it; whatever else failed, it may have. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'GRANT_DENIED', 'GRANT_STATE', 'GRANT_ENDED', 'GRANT_LAPSED', 'BUDGET_SPENT', 'BINDING_TOO_WEAK', 'OWNER_MISSING', 'ROLE_UNKNOWN', 'NOT_FOUND', 'PERMISSION_DENIED', 'KEY_DENIED', 'CSR_INVALID', 'INVALID_ARGUMENT',
  'TARGET_DISABLED', 'LIMIT_EXCEEDED', 'PRECONDITION_FAILED', 'NO_ACTIVE_AUTHORITY', 'STORE_UNWRITABLE', 'PROCESS_GONE', 'FACTS_CHANGED', 'SOCKET_IN_USE', 'NOT_IN_BINDING', 'INTENT_OUTSIDE_ROLE',
])

function mayRun(error: unknown): boolean {
  return !(error instanceof MayflyError) || !refusals.has(error.code)
}
