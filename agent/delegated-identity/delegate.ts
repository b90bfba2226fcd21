import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { EntryCache } from '../sync/entry-cache.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import type { AuthorizedDelegates } from './authorized-delegates.ts'

export interface DelegateTerms {
  readonly delegates: AuthorizedDelegates
  readonly entries: EntryCache
  readonly clock: Clock
}

/**
 * The SPIFFE ID by which a caller is an authorized delegate, on its facts as they are now. Ask again before each push.
 * @throws {MayflyError} PERMISSION_DENIED; FACTS_CHANGED, PROCESS_GONE: its connection is over
 */
export async function delegateIdOf(connection: WorkloadConnection, { delegates, entries, clock }: DelegateTerms): Promise<SpiffeId> {
  const { facts } = await connection.attest()
  const found = entries.match(facts, clock.nowMs()).find(({ spiffeId }) => delegates.ids.has(spiffeId))
  if (found === undefined) {
    const { pid, uid } = connection.caller
    throw new MayflyError('PERMISSION_DENIED', `process ${pid} of uid ${uid} is not an authorized delegate`, { hint: `mayfly why ${pid} shows which identities it has; authorizedDelegates must name one of them` })
  }
  return found.spiffeId
}
