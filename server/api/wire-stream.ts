import type { StreamMessage } from '../../proto/generated/mayfly/v1/StreamMessage.ts'
import type { StreamPosition__Output } from '../../proto/generated/mayfly/v1/StreamPosition.ts'
import { emptyChainHash, hashBytes } from '../../src/core/revocation/codec.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'

/** Where a reader stands; anything malformed is somebody who knows nothing. */
export function positionFromWire(wire: StreamPosition__Output | null | undefined): StreamHead {
  if (wire === null || wire === undefined || wire.chainHash.length !== hashBytes || !Number.isSafeInteger(wire.epoch) || !Number.isSafeInteger(wire.seq)) {
    return { epoch: 0, seq: 0, chainHash: emptyChainHash }
  }
  return { epoch: wire.epoch, seq: wire.seq, chainHash: wire.chainHash }
}

export function frameToWire({ frame, signerChain }: StreamFrame): StreamMessage {
  return { frame: bufferOf(frame), signerChain: signerChain.map((der) => bufferOf(der)) }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
