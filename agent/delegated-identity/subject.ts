import type { SubscribeToX509SVIDsRequest__Output } from '../../proto/generated/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { checkSelector, formatSelector } from '../../src/core/selector.ts'
import { WorkloadConnection } from '../workload-api/workload-connection.ts'
import type { WorkloadConnectionDeps } from '../workload-api/workload-connection.ts'

/** The workload that a delegate asks for. */
export interface Subject extends Disposable {
  /** What the log says of it. */
  readonly named: { readonly selectors: readonly string[] } | { readonly forPid: number }
  /** Aborts, with the reason, when it is no longer what the delegate asked for. */
  readonly over: AbortSignal | undefined
  /** Its facts as they are now. @throws {MayflyError} PROCESS_GONE, FACTS_CHANGED, PERMISSION_DENIED */
  facts(): Promise<ReadonlySet<string>>
}

const maxSelectors = 100

/**
 * Selectors are believed as they are given: that is what delegation means. A process is held, so that its pid cannot pass to another
 * while the stream is open. @throws {MayflyError} INVALID_ARGUMENT neither or both are given, SELECTOR_INVALID, PROCESS_GONE
 */
export function subjectOf({ selectors, pid }: SubscribeToX509SVIDsRequest__Output, connections: WorkloadConnectionDeps): Subject {
  if (selectors.length > 0 === (pid !== 0)) throw new MayflyError('INVALID_ARGUMENT', 'either selectors or a pid must be given', { hint: 'name the workload by one of them' })
  if (pid !== 0) return processOf(pid, connections)
  if (selectors.length > maxSelectors) throw new MayflyError('INVALID_ARGUMENT', `${selectors.length} selectors are more than ${maxSelectors}`)
  const named = selectors.map((selector) => formatSelector(checkSelector(selector)))
  const facts: ReadonlySet<string> = new Set(named)
  return { named: { selectors: named }, over: undefined, facts: async () => facts, [Symbol.dispose]: () => undefined }
}

function processOf(pid: number, connections: WorkloadConnectionDeps): Subject {
  if (pid < 0) throw new MayflyError('INVALID_ARGUMENT', 'a pid is a positive number')
  const process = WorkloadConnection.named(pid, connections)
  return { named: { forPid: pid }, over: process.over, facts: async () => (await process.attest()).facts, [Symbol.dispose]: () => process[Symbol.dispose]() }
}
