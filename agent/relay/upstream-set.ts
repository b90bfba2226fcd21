import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { StreamPlace } from '../../src/core/stream-place.ts'
import type { StreamChannelDeps } from '../../src/client/stream-source.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { StreamSources, type SourceStatus, type StreamSourcesDeps } from '../../src/verify/sources.ts'
import { Notifier } from '../notifier.ts'
import { Upstream } from './upstream.ts'

/** Which upstreams a relay reads from, as the configuration says now. */
export interface UpstreamTerms {
  /** The best first; at least one. */
  readonly upstreams: readonly StreamPlace[]
  /** Which relay one over TLS must be. */
  readonly upstreamId: SpiffeId | undefined
}

export interface UpstreamSetDeps {
  /** Of this relay, in the path of the stream. */
  readonly ownId: Uint8Array
  readonly channel: Omit<StreamChannelDeps, 'id'>
  readonly stream: StreamSourcesDeps
}

/** The upstreams of a relay, and which of them it reads from. Others can take their place while it runs: the stream goes on where it was. */
export class UpstreamSet implements AsyncDisposable {
  readonly #deps: UpstreamSetDeps
  readonly #closing = new Set<Promise<void>>()
  /** Another upstream is read from. */
  readonly changed: Notifier<void> = new Notifier()
  #open: Opened

  constructor(terms: UpstreamTerms, deps: UpstreamSetDeps) {
    this.#deps = deps
    this.#open = this.#opened(terms)
  }

  get current(): Upstream {
    return this.#open.sources.current
  }

  get status(): readonly SourceStatus[] {
    return this.#open.sources.status
  }

  /** Leaves all that there are for these. */
  replace(terms: UpstreamTerms): void {
    const left = this.#open
    this.#open = this.#opened(terms)
    const closed = closeAll(left).finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
    this.changed.emit()
  }

  /** As {@link StreamSources.fetchSnapshot}. */
  async fetchSnapshot(signal: AbortSignal): Promise<void> {
    await this.#open.sources.fetchSnapshot(signal)
  }

  /** As {@link StreamSources.askTime}. */
  async askTime(ask: (source: Upstream, signal: AbortSignal) => Promise<StreamFrame>, isAnswer: (frame: StreamFrame) => boolean, signal: AbortSignal): Promise<boolean> {
    return await this.#open.sources.askTime(ask, isAnswer, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([closeAll(this.#open), ...this.#closing])
  }

  #opened({ upstreams, upstreamId }: UpstreamTerms): Opened {
    const { ownId, channel, stream } = this.#deps
    const all = upstreams.map((place) => new Upstream(place, ownId, { ...channel, ...(upstreamId === undefined ? {} : { id: upstreamId }) }))
    const sources = StreamSources.start(all, stream)
    sources.onChange(() => this.changed.emit())
    return { all, sources }
  }
}

interface Opened {
  readonly all: readonly Upstream[]
  readonly sources: StreamSources<Upstream>
}

async function closeAll({ all, sources }: Opened): Promise<void> {
  await sources[Symbol.asyncDispose]()
  for (const { channel } of all) channel.close()
}
