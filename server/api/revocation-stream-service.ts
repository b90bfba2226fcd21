import type { StreamMessage } from '../../proto/generated/mayfly/v1/StreamMessage.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { checkNonces } from '../../src/core/revocation/nonces.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import type { Caller } from './caller.ts'
import { frameToWire, positionFromWire } from './wire-stream.ts'

/** `mayfly.v1.RevocationStream`, to agents and administrators. */
export function revocationStreamService(stream: ServedStream): Handlers<'mayfly.v1.RevocationStream', Caller> {
  return {
    Watch: ({ position }, { signal }) => messages(stream.watch(positionFromWire(position), signal)),
    Time: async ({ nonces }) => frameToWire(stream.time(checkNonces(nonces))),
  }
}

export interface ServedStream {
  watch(position: StreamHead, signal: AbortSignal): AsyncIterable<StreamFrame>
  time(nonces: readonly Uint8Array[]): StreamFrame
}

async function* messages(frames: AsyncIterable<StreamFrame>): AsyncGenerator<StreamMessage> {
  for await (const frame of frames) yield frameToWire(frame)
}
