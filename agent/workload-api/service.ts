import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Call, Handlers } from '../../src/rpc/handlers.ts'
import { either, within } from '../abortable.ts'
import type { Admission } from './admission.ts'
import type { WorkloadConnection } from './workload-connection.ts'
import { x509Bundles, x509Svids } from './x509-streams.ts'
import type { X509StreamsDeps } from './x509-streams.ts'

export interface WorkloadApiDeps {
  readonly clock: Clock
  /** What the streams stand on; asked for after the first sync. */
  x509(): X509StreamsDeps
  readonly admission: Admission
  /** Resolves when the entries of this agent are known; `undefined` once they are. */
  notSynced(): Promise<void> | undefined
  /** How long a first call waits for that. */
  readonly syncWaitMs: number
}

/** The SPIFFE Workload API, X.509 profile. The JWT and WIT profiles are switched off and answer Unimplemented (WAPI-01, WW-01, EP-14). */
export function workloadApi(deps: WorkloadApiDeps): Handlers<'SpiffeWorkloadAPI', WorkloadConnection> {
  const off = (_: unknown, call: Call<WorkloadConnection>): never => {
    checkMetadata(call)
    throw new MayflyError('UNIMPLEMENTED', 'this agent serves the X.509 profile of the Workload API only')
  }
  return {
    FetchX509SVID: (_, call) => stream(call, deps, (signal) => x509Svids(call.peer, signal, deps.x509())),
    FetchX509Bundles: (_, call) => stream(call, deps, (signal) => x509Bundles(call.peer, signal, deps.x509())),
    FetchJWTSVID: async (_, call) => off(_, call),
    ValidateJWTSVID: async (_, call) => off(_, call),
    FetchJWTBundles: off,
    FetchWITSVID: off,
    FetchWITBundles: off,
  }
}

async function* stream<T>(call: Call<WorkloadConnection>, deps: WorkloadApiDeps, messages: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  checkMetadata(call)
  const { peer } = call
  using _ = deps.admission.stream(peer.caller.uid, peer.processKey)
  using gone = either(call.signal, peer.over)
  await synced(deps, gone.signal)
  yield* messages(gone.signal)
}

/** What comes before the first sync waits for it a little. @throws {MayflyError} UNAVAILABLE */
export async function synced({ notSynced, syncWaitMs, clock }: Pick<WorkloadApiDeps, 'notSynced' | 'syncWaitMs' | 'clock'>, signal: AbortSignal): Promise<void> {
  const waited = notSynced()
  if (waited !== undefined) await within(waited, syncWaitMs, notSyncedYet, clock, signal)
}

/** Exactly one value, and only here: other services on this socket have no such rule (EP-03, EP-04). */
export function checkMetadata({ metadata }: Call<WorkloadConnection>): void {
  const values = metadata.values('workload.spiffe.io')
  if (values.length !== 1 || values[0] !== 'true') {
    throw new MayflyError('METADATA_MISSING', 'the call lacks the metadata workload.spiffe.io: true', { hint: 'use a SPIFFE client library, or send that key with the call' })
  }
}

function notSyncedYet(): MayflyError {
  return new MayflyError('UNAVAILABLE', 'the agent does not know its entries yet: it has no connection to its server')
}
