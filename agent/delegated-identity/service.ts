import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { Admission } from '../workload-api/admission.ts'
import { synced } from '../workload-api/service.ts'
import type { WorkloadApiDeps } from '../workload-api/service.ts'
import type { WorkloadConnection, WorkloadConnectionDeps } from '../workload-api/workload-connection.ts'
import type { AuthorizedDelegates } from './authorized-delegates.ts'
import { delegateIdOf } from './delegate.ts'
import { subjectOf } from './subject.ts'
import { delegatedBundles, delegatedSvids } from './x509-subscriptions.ts'
import type { SubscriptionDeps } from './x509-subscriptions.ts'

export interface DelegationDeps extends Pick<WorkloadApiDeps, 'notSynced' | 'syncWaitMs' | 'x509'> {
  readonly clock: Clock
  readonly log: Logger
  readonly admission: Admission
  readonly connections: WorkloadConnectionDeps
  readonly delegates: AuthorizedDelegates
}

/**
 * SPIRE's DelegatedIdentity: a program that the configuration names gets identities of other workloads of this node, such as a proxy
 * that speaks for all of them. It is attested like a workload; being an admin does not make a caller a delegate.
 * @param connectionOf the caller's connection; `undefined` where this agent had no delegates when it was made
 */
export function delegatedIdentity<Peer>(deps: DelegationDeps, connectionOf: (peer: Peer) => WorkloadConnection | undefined): Handlers<'spire.api.agent.delegatedidentity.v1.DelegatedIdentity', Peer> {
  const off = (): never => {
    throw new MayflyError('UNIMPLEMENTED', 'this agent hands out X.509-SVIDs only: there are no JWT-SVIDs', { hint: 'use SubscribeToX509SVIDs and SubscribeToX509Bundles' })
  }
  return {
    SubscribeToX509SVIDs: async function* (request, { peer, signal }) {
      const { connection, streams } = await admitted(connectionOf(peer), signal, deps)
      using _place = deps.admission.stream(connection.caller.uid, connection.processKey)
      using subject = subjectOf(request, deps.connections)
      yield* delegatedSvids(connection, subject, AbortSignal.any([signal, connection.over, ...(subject.over === undefined ? [] : [subject.over])]), streams)
    },
    SubscribeToX509Bundles: async function* (_, { peer, signal }) {
      const { connection, streams } = await admitted(connectionOf(peer), signal, deps)
      using _place = deps.admission.stream(connection.caller.uid, connection.processKey)
      yield* delegatedBundles(connection, AbortSignal.any([signal, connection.over]), streams)
    },
    FetchJWTSVIDs: async () => off(),
    SubscribeToJWTBundles: off,
  }
}

/** @throws {MayflyError} PERMISSION_DENIED the caller is no delegate, UNAVAILABLE before the first sync */
async function admitted(connection: WorkloadConnection | undefined, signal: AbortSignal, deps: DelegationDeps): Promise<{ readonly connection: WorkloadConnection; readonly streams: SubscriptionDeps }> {
  const { delegates, log } = deps
  if (delegates.ids.size === 0) throw new MayflyError('PERMISSION_DENIED', 'this agent has no authorized delegates', { hint: "name the caller's SPIFFE ID in authorizedDelegates, in the agent's configuration" })
  if (connection === undefined) throw new MayflyError('PERMISSION_DENIED', 'this connection was made before this agent had authorized delegates', { hint: 'connect again' })
  await synced(deps, signal)
  const streams: SubscriptionDeps = { ...deps.x509(), delegates, log }
  const { pid, uid } = connection.caller
  try {
    const delegateId = await delegateIdOf(connection, streams)
    log.info({ event: 'delegate.admitted', delegateId, pid, uid }, 'an authorized delegate asks for the identities of other workloads')
  } catch (error) {
    log.warn({ event: 'delegate.refused', pid, uid, code: error instanceof MayflyError ? error.code : 'INTERNAL', cause: String(error) }, 'a caller asked for the identities of other workloads and may not have them')
    throw error
  }
  return { connection, streams }
}
