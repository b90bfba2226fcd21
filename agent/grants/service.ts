import { MayflyError } from '../../src/core/errors.ts'
import type { Call, Handlers } from '../../src/rpc/handlers.ts'
import type { Trust } from '../sync/trust.ts'
import type { Admission } from '../workload-api/admission.ts'
import { checkMetadata } from '../workload-api/service.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import type { GrantKeeper } from './keeper.ts'
import type { GrantGate } from './listener.ts'
import { grantBundles, grantSvids } from './svid-stream.ts'
import type { Task } from './task.ts'

/** `mayfly.v1.Grants` on the Workload API socket: for any attested process, about what it asked for itself or is bound to. @param ready resolves once the agent belongs to a server */
export function grantsService(keeper: () => GrantKeeper, admission: Admission, ready: (signal: AbortSignal) => Promise<void>): Handlers<'mayfly.v1.Grants', WorkloadConnection> {
  const reach = async ({ peer, signal }: Call<WorkloadConnection>, grantId: string): Promise<Task> => {
    await ready(signal)
    return await keeper().reach(peer, grantId)
  }
  return handlersOf({ keeper, admission, reach, parentId: '', admit: async ({ signal }) => await ready(signal), ending: async (_, end) => await end(), longestWaitSeconds: 20 })
}

/** The same on the socket of a grant: about that grant, which need not be named, and its children. */
export function grantsServiceOf(gate: GrantGate, keeper: () => GrantKeeper, admission: Admission): Handlers<'mayfly.v1.Grants', WorkloadConnection> {
  const admit = async ({ peer }: Call<WorkloadConnection>): Promise<void> => void (await gate.admit(peer))
  const reach = async (call: Call<WorkloadConnection>, grantId: string): Promise<Task> => {
    await admit(call)
    return keeper().below(gate.grantId, grantId)
  }
  return handlersOf({ keeper, admission, reach, parentId: gate.grantId, admit, ending: async ({ peer }, end) => await gate.answering(peer, end), longestWaitSeconds: 1_800 })
}

/** The SPIFFE Workload API of a grant: its SVID and the bundle, for its binding alone. */
export function grantWorkloadApi(gate: GrantGate, trust: Trust, admission: Admission): Handlers<'SpiffeWorkloadAPI', WorkloadConnection> {
  const off = (_: unknown, call: Call<WorkloadConnection>): never => {
    checkMetadata(call)
    throw new MayflyError('UNIMPLEMENTED', 'a grant has an X.509-SVID only')
  }
  return {
    FetchX509SVID: (_, call) => streamOf(call, gate, admission, async function* (signal) {
      const held = await gate.admit(call.peer)
      yield* grantSvids(held, trust, async () => void (await gate.admit(call.peer)), AbortSignal.any([signal, held.over]))
    }),
    FetchX509Bundles: (_, call) => streamOf(call, gate, admission, async function* (signal) {
      const held = await gate.admit(call.peer)
      yield* grantBundles(trust, async () => void (await gate.admit(call.peer)), AbortSignal.any([signal, held.over]))
    }),
    FetchJWTSVID: async (_, call) => off(_, call),
    ValidateJWTSVID: async (_, call) => off(_, call),
    FetchJWTBundles: off,
    FetchWITSVID: off,
    FetchWITBundles: off,
  }
}

interface Place {
  readonly keeper: () => GrantKeeper
  readonly admission: Admission
  /** The grant that is meant, if the caller may touch it. */
  reach(call: Call<WorkloadConnection>, grantId: string): Promise<Task>
  /** Of what is asked for here; empty: nobody's child. */
  readonly parentId: string
  /** Whether the caller may ask for anything here. */
  admit(call: Call<WorkloadConnection>): Promise<void>
  /** Around what ends a grant, which may be the one whose socket this is. */
  ending<T>(call: Call<WorkloadConnection>, end: () => Promise<T>): Promise<T>
  /** How long one call may wait for people. */
  readonly longestWaitSeconds: number
}

function handlersOf({ keeper, admission, reach, parentId, admit, ending, longestWaitSeconds }: Place): Handlers<'mayfly.v1.Grants', WorkloadConnection> {
  return {
    Request: async function* (request, call) {
      using _ = placeOf(call, admission)
      await admit(call)
      yield* keeper().request(call.peer, request, parentId, signalOf(call))
    },
    Bind: async function* (request, call) {
      using _ = placeOf(call, admission)
      yield* keeper().bind(await reach(call, request.grantId), call.peer, request, signalOf(call))
    },
    Renew: async ({ grantId }, call) => await keeper().renew(await reach(call, grantId)),
    Step: async (request, call) => await keeper().step(await reach(call, request.grantId), call.peer, { ...request, waitSeconds: Math.min(request.waitSeconds, longestWaitSeconds) }, () => signalOf(call)),
    End: async (request, call) => await ending(call, async () => await keeper().finish(await reach(call, request.grantId), request)),
    Show: async ({ grantId }, call) => (await reach(call, grantId)).grant,
    Heartbeat: async ({ grantId }, call) => {
      keeper().heartbeat(await reach(call, grantId), call.peer)
      return {}
    },
  }
}

async function* streamOf<T>(call: Call<WorkloadConnection>, gate: GrantGate, admission: Admission, messages: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  checkMetadata(call)
  using _ = placeOf(call, admission)
  await gate.admit(call.peer)
  yield* messages(signalOf(call))
}

function placeOf({ peer }: Call<WorkloadConnection>, admission: Admission): Disposable {
  return admission.stream(peer.caller.uid, peer.processKey)
}

/** Also aborts when the process is no longer what it was. */
function signalOf({ peer, signal }: Call<WorkloadConnection>): AbortSignal {
  return AbortSignal.any([signal, peer.over])
}
