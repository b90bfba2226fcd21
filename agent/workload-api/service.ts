import { MayflyError } from '../../src/core/errors.ts'
import type { ReportAnswer } from '../../proto/generated/mayfly/v1/ReportAnswer.ts'
import type { VerifierReport__Output } from '../../proto/generated/mayfly/v1/VerifierReport.ts'
import { checkNonces } from '../../src/core/revocation/nonces.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Call, Handlers } from '../../src/rpc/handlers.ts'
import { within } from '../abortable.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import { frameToWire, positionFromWire } from '../sync/wire.ts'
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

/** `mayfly.v1.RevocationStream` on the same socket (EP-15): for any local process, since it holds no secret. */
export function relayService(relay: RevocationRelay, admission: Admission): Handlers<'mayfly.v1.RevocationStream', WorkloadConnection> {
  return {
    Watch: ({ position }, call) => watch(relay, admission, positionFromWire(position), call),
    Time: async ({ nonces }, { peer }) => {
      using _ = admission.stream(peer.caller.uid, peer.processKey)
      return frameToWire(await relay.time(checkNonces(nonces)))
    },
  }
}

/** `mayfly.v1.VerifierReports` on the same socket: what the verifiers of this node tell the server. */
export function reportService(reports: VerifierReports, admission: Admission): Handlers<'mayfly.v1.VerifierReports', WorkloadConnection> {
  return {
    Report: (requests, { peer }) => takeReports(reports, admission, requests, peer),
  }
}

async function* takeReports(reports: VerifierReports, admission: Admission, requests: AsyncIterable<VerifierReport__Output>, peer: WorkloadConnection): AsyncGenerator<ReportAnswer, void, undefined> {
  using _ = admission.stream(peer.caller.uid, peer.processKey)
  await reports.take(requests)
  yield* []
}

async function* watch(relay: RevocationRelay, admission: Admission, position: ReturnType<typeof positionFromWire>, { peer, signal }: Call<WorkloadConnection>): AsyncGenerator<ReturnType<typeof frameToWire>, void, undefined> {
  if (relay.isFull) throw new MayflyError('UNAVAILABLE', 'this agent has as many readers of its revocation stream as it may have')
  using _ = admission.stream(peer.caller.uid, peer.processKey)
  for await (const frame of relay.watch(position, signal)) yield frameToWire(frame)
}

async function* stream<T>(call: Call<WorkloadConnection>, deps: WorkloadApiDeps, messages: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  checkMetadata(call)
  const { peer } = call
  using _ = deps.admission.stream(peer.caller.uid, peer.processKey)
  const signal = AbortSignal.any([call.signal, peer.over])
  const notSynced = deps.notSynced()
  if (notSynced !== undefined) await within(notSynced, deps.syncWaitMs, notSyncedYet, deps.clock, signal)
  yield* messages(signal)
}

/** Exactly one value, and only here: other services on this socket have no such rule (EP-03, EP-04). */
function checkMetadata({ metadata }: Call<WorkloadConnection>): void {
  const values = metadata.values('workload.spiffe.io')
  if (values.length !== 1 || values[0] !== 'true') {
    throw new MayflyError('METADATA_MISSING', 'the call lacks the metadata workload.spiffe.io: true', { hint: 'use a SPIFFE client library, or send that key with the call' })
  }
}

function notSyncedYet(): MayflyError {
  return new MayflyError('UNAVAILABLE', 'the agent does not know its entries yet: it has no connection to its server')
}
