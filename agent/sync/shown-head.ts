import type { StreamMessage } from '../../proto/generated/mayfly/v1/StreamMessage.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { bufferOf } from './wire.ts'

/**
 * The newest frame of the stream as it is shown to the server. What stands above the agent's own SVID goes with it: older authorities' word for the one that signed, for a server that knows only those.
 */
export function shownHead(newest: StreamFrame | undefined, svidChain: readonly Uint8Array[]): { readonly newest?: StreamMessage } {
  if (newest === undefined) return {}
  return { newest: { frame: bufferOf(newest.frame), signerChain: [...newest.signerChain, ...svidChain.slice(1)].map(bufferOf) } }
}
