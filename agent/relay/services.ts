import type { RelayStatus } from '../../proto/generated/mayfly/v1/RelayStatus.ts'
import type { ReportAnswer } from '../../proto/generated/mayfly/v1/ReportAnswer.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { checkNonces } from '../../src/core/revocation/nonces.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { frameToWire, positionFromWire } from '../sync/wire.ts'
import type { RevocationRelay } from './revocation-relay.ts'
import { answersWhile } from './answers.ts'
import type { Tell, VerifierReports } from './verifier-reports.ts'

export interface RelayServing<Peer> {
  readonly relay: RevocationRelay
  readonly reports: VerifierReports
  /** Room for one more call of this peer; disposed when it ends. @throws {MayflyError} UNAVAILABLE: load is shed */
  admit(peer: Peer): Disposable
  /** Told by `mayfly relay run` to whoever reads there. */
  readonly status?: () => RelayStatus
}

/** `mayfly.v1.RevocationStream`: for any peer that reached the socket, since it holds no secret. */
export function streamService<Peer>({ relay, admit }: RelayServing<Peer>): Handlers<'mayfly.v1.RevocationStream', Peer> {
  return {
    Watch: ({ position }, { peer, signal }) => watch(relay, () => admit(peer), positionFromWire(position), signal),
    Time: async ({ nonces }, { peer }) => {
      using _ = admit(peer)
      return frameToWire(await relay.time(checkNonces(nonces)))
    },
  }
}

/** `mayfly.v1.VerifierReports`: what the verifiers that read here tell the server. */
export function reportService<Peer>({ reports, admit }: RelayServing<Peer>): Handlers<'mayfly.v1.VerifierReports', Peer> {
  return { Report: (requests, { peer }) => answered(async (tell) => reports.take(requests, tell), () => admit(peer)) }
}

/** `mayfly.v1.Relays`: the same from relays that read here, and how this relay does. */
export function relaysService<Peer>({ reports, admit, status }: RelayServing<Peer>): Handlers<'mayfly.v1.Relays', Peer> {
  return {
    Report: (requests, { peer }) => answered(async (tell) => reports.takeRelayed(requests, tell), () => admit(peer)),
    ...(status === undefined ? {} : { Status: async () => Promise.resolve(status()) }),
  }
}

async function* answered(take: (tell: Tell) => Promise<void>, admitted: () => Disposable): AsyncGenerator<ReportAnswer, void, undefined> {
  using _ = admitted()
  yield* answersWhile(take)
}

async function* watch(relay: RevocationRelay, admitted: () => Disposable, position: StreamHead, signal: AbortSignal): AsyncGenerator<ReturnType<typeof frameToWire>, void, undefined> {
  if (relay.isFull) throw new MayflyError('UNAVAILABLE', 'there are as many readers of the revocation stream here as there may be')
  using _ = admitted()
  for await (const frame of relay.watch(position, signal)) yield frameToWire(frame)
}
