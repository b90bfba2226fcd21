import type { StreamMessage } from '../../proto/generated/mayfly/v1/StreamMessage.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import type { Caller } from './caller.ts'
import { frameToWire, positionFromWire } from './wire-stream.ts'

/** `mayfly.v1.RevocationStream`, to agents and administrators. */
export function revocationStreamService(stream: { watch(position: StreamHead, signal: AbortSignal): AsyncIterable<StreamFrame> }): Handlers<'mayfly.v1.RevocationStream', Caller> {
  return { Watch: ({ position }, { signal }) => messages(stream.watch(positionFromWire(position), signal)) }
}

async function* messages(frames: AsyncIterable<StreamFrame>): AsyncGenerator<StreamMessage> {
  for await (const frame of frames) yield frameToWire(frame)
}
