import { chainHash, type Sha256 } from './codec.ts'
import type { StreamHead } from './follower.ts'
import { decodeFrameBody, openFrame } from './frame.ts'

/** Where the stream was by a frame, if it is genuine: nothing is verified here. `undefined` when it cannot be read. */
export function headSaidBy(bytes: Uint8Array, sha256: Sha256): (StreamHead & { readonly signedAtMs: number }) | undefined {
  const opened = openFrame(bytes)
  const frame = opened === undefined ? undefined : decodeFrameBody(opened.body)
  if (frame === undefined) return undefined
  const { epoch, signedAtMs } = frame
  if (frame.kind !== 'batch') return { epoch, seq: frame.seq, chainHash: frame.chainHash, signedAtMs }
  return { epoch, seq: frame.seq + frame.events.length - 1, chainHash: frame.events.reduce((hash, event) => chainHash(hash, event, sha256), frame.chainHash), signedAtMs }
}
