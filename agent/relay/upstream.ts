import { equalBytes } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { formatStreamPlace, type StreamPlace } from '../../src/core/stream-place.ts'
import type { RevocationChannel } from '../../src/client/revocation-channel.ts'
import { streamChannel, type StreamChannelDeps } from '../../src/client/stream-source.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import type { StreamSource } from '../../src/verify/source-link.ts'

/** The most relays that may follow one another from the server to a verifier. Each costs a verifier a message's way, and a fault more to look for. */
export const maxDepth = 8

/** An agent or a relay that this relay reads from. One whose stream came through this relay already, or through too many, is not read. */
export class Upstream implements StreamSource {
  readonly name: string
  readonly channel: RevocationChannel
  readonly #ownId: Uint8Array
  /** The relays that its stream came through, as it says; none before its first message. */
  path: readonly Uint8Array[] = []

  constructor(place: StreamPlace, ownId: Uint8Array, deps: StreamChannelDeps) {
    this.name = formatStreamPlace(place)
    this.#ownId = ownId
    this.channel = streamChannel(place, deps)
  }

  async *open(position: StreamHead, signal: AbortSignal): AsyncGenerator<StreamFrame, void, undefined> {
    for await (const message of this.channel.frames(position, signal)) {
      if (message.path !== undefined) this.#comesThrough(message.path)
      yield message
    }
  }

  async times(nonces: readonly Uint8Array[], signal: AbortSignal): Promise<StreamFrame> {
    return await this.channel.time(nonces, signal)
  }

  #comesThrough(path: readonly Uint8Array[]): void {
    if (path.some((step) => equalBytes(step, this.#ownId))) throw new MayflyError('RELAY_CIRCLE', `the stream of ${this.name} has come through this relay already`)
    if (path.length >= maxDepth) throw new MayflyError('RELAY_CIRCLE', `the stream of ${this.name} has come through ${path.length} relays; ${maxDepth} may follow one another`)
    this.path = path
  }
}
