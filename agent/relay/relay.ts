import type { RelayStatus } from '../../proto/generated/mayfly/v1/RelayStatus.ts'
import { LiveConfig } from '../../src/config/live.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { decodeFrameBody, openFrame } from '../../src/core/revocation/frame.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { equalBytes } from '../../src/core/bytes.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Listener } from '../../src/rpc/listen-unix.ts'
import { RpcServer } from '../../src/rpc/server.ts'
import type { RpcServerDeps } from '../../src/rpc/server.ts'
import { HeadKeeper, type HeadStore } from '../../src/verify/heads.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { relaySettings, type RelayConfig } from './config.ts'
import { listenAt, type ListenDeps, type RelayPeer } from './listeners.ts'
import { measureClock } from './measure-clock.ts'
import { PeerCalls } from './peer-calls.ts'
import { RevocationRelay, relayIdBytes } from './revocation-relay.ts'
import { relaysService, reportService, streamService, type RelayServing } from './services.ts'
import { RelayTrust, type RelayTrustDeps } from './trust.ts'
import { sendReports } from './uplink.ts'
import { UpstreamSet, type UpstreamTerms } from './upstream-set.ts'
import { VerifierReports } from './verifier-reports.ts'

export interface RelayDeps extends RelayTrustDeps {
  readonly log: Logger
  /** Keeps the highest head over restarts, so that a stream behind it is not passed on. */
  readonly heads: HeadStore
  readonly peerUid: ListenDeps['peerUid']
  readonly version: string
  rssBytes(): number
  /** Told of each call that ended. */
  readonly onEnded?: RpcServerDeps['onEnded']
  /** The configuration, as it changes while the relay runs; unset: it does not. */
  readonly live?: LiveConfig<RelayConfig>
}

const maxFrames = 4_096
/** A message of a relay below: its verifiers' reports. */
const maxReceiveBytes = 65_536
const maxCallsPerConnection = 100

/**
 * `mayfly relay run`: passes the revocation stream of an agent, or of another relay, on to verifiers and further relays, and their reports back. It holds no key of the stream,
 * and passes on only what it can verify itself; nobody has to rely on that.
 */
export class Relay implements AsyncDisposable {
  readonly #config: RelayConfig
  readonly #deps: RelayDeps
  readonly #live: LiveConfig<RelayConfig>
  readonly #trust: RelayTrust
  readonly #stop = new AbortController()
  readonly #reports = new VerifierReports()
  readonly #relay: RevocationRelay
  readonly #upstreams: UpstreamSet
  readonly #heads: HeadKeeper
  readonly #server: RpcServer<RelayPeer>
  readonly #listeners: Listener[] = []
  readonly #background: Promise<void>[] = []
  readonly #startedAtMs: number
  #isFetching = false

  private constructor(config: RelayConfig, deps: RelayDeps, trust: RelayTrust, highest: StreamHead | undefined) {
    const { clock, log, random } = deps
    this.#config = config
    this.#deps = deps
    const live = (this.#live = deps.live ?? new LiveConfig(config, relaySettings, undefined))
    this.#trust = trust
    this.#startedAtMs = clock.nowMs()
    const id = random.bytes(relayIdBytes)
    this.#relay = new RevocationRelay(
      { maxReaders: config.maxReaders, maxFrames, id },
      {
        clock,
        log,
        anchors: () => trust.anchors(),
        wantSnapshot: (why) => (why === 'gap' ? undefined : this.#fetchSnapshot()), // after a gap the source is opened anew, from a snapshot
        askTime: async (nonces) => await this.#askTime(nonces),
        ...(highest === undefined ? {} : { highest }),
      },
    )
    const { reader } = this.#relay
    this.#upstreams = new UpstreamSet(config, {
      ownId: id,
      channel: { clock, trustDomain: trust.trustDomain, source: trust.source, revocations: () => reader },
      stream: { clock, random, logger: log, accept: (message) => this.#accept(message), position: () => reader.position, freshness: () => reader.freshness() },
    })
    let read: UpstreamTerms = config
    live.onChange((current) => {
      if (current.upstreams === read.upstreams && current.upstreamId === read.upstreamId) return
      read = current
      this.#upstreams.replace(current)
    })
    this.#heads = new HeadKeeper({ heads: deps.heads, trustDomain: trust.trustDomain, clock, logger: log, highest: () => reader.highest })
    this.#relay.changed.on(() => this.#heads.moved())
    this.#relay.readersChanged.on((readers) => (this.#reports.readers = readers))
    this.#server = new RpcServer<RelayPeer>(deps, { maxReceiveBytes, maxConcurrentCalls: maxCallsPerConnection, maxConnections: config.maxReaders * 2 })
    const calls = new PeerCalls(() => live.current.maxCallsPerPeer)
    const serving: RelayServing<RelayPeer> = { relay: this.#relay, reports: this.#reports, admit: ({ name }) => calls.admit(name), status: () => this.status() }
    this.#server.add('mayfly.v1.RevocationStream', streamService(serving))
    this.#server.add('mayfly.v1.VerifierReports', reportService(serving))
    this.#server.add('mayfly.v1.Relays', relaysService(serving))
  }

  /** Resolves once it listens, whether or not the stream is there yet. @throws {MayflyError} SOCKET_IN_USE, CONFIG_INVALID, NO_IDENTITY and what the Workload API says */
  static async start(config: RelayConfig, deps: RelayDeps): Promise<Relay> {
    const trust = await RelayTrust.start(config, deps)
    const relay = new Relay(config, deps, trust, await deps.heads.load(trust.trustDomain))
    try {
      for (const place of config.listen) {
        relay.#listeners.push(await listenAt(place, { server: relay.#server, clock: deps.clock, log: deps.log, trustDomain: trust.trustDomain, source: trust.source, reader: relay.#relay.reader, peerUid: (socket) => deps.peerUid(socket), maxConnections: config.maxReaders * 2 }))
      }
    } catch (error) {
      await relay[Symbol.asyncDispose]()
      throw error
    }
    const { signal } = relay.#stop
    relay.#background.push(measureClock({ ...deps, relay: relay.#relay, canAsk: () => true }, signal), sendReports({ ...deps, upstreams: relay.#upstreams, reports: relay.#reports }, signal))
    return relay
  }

  get trustDomain(): string {
    return this.#trust.trustDomain
  }

  /** As they are written in a configuration, with the ports that were given out. */
  get listening(): readonly string[] {
    return this.#listeners.map(({ address }, at) => {
      const kind = this.#config.listen[at]?.kind
      return kind === 'tls' ? address : `${kind}:${address}`
    })
  }

  /** Open connections and calls. */
  get load(): { readonly connections: number; readonly calls: number } {
    return this.#server
  }

  status(): RelayStatus {
    const { reader, readers, path } = this.#relay
    const { epoch, seq } = reader.position
    const ageMs = Math.round(reader.freshness()?.ageMs ?? -1)
    return {
      version: this.#deps.version,
      trustDomain: this.#trust.trustDomain,
      upstreams: this.#upstreams.status.map(({ name, isCurrent, isConnected, lagMs, leftFor }) => ({ name, current: isCurrent, connected: isConnected, lagMs: Number.isFinite(lagMs) ? Math.round(lagMs) : isCurrent ? ageMs : -1, leftFor: leftFor ?? '' })),
      listening: [...this.listening],
      epoch,
      seq,
      ageMs,
      readers,
      verifiers: this.#reports.size,
      rssBytes: this.#deps.rssBytes(),
      depth: path.length,
      startedAtMs: this.#startedAtMs,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the relay is shutting down'))
    await Promise.all(this.#listeners.map(async (listener) => listener.close()))
    await this.#server.close(this.#live.current.drainMs)
    await Promise.all([this.#upstreams[Symbol.asyncDispose](), ...this.#background])
    await this.#heads[Symbol.asyncDispose]()
    await this.#trust[Symbol.asyncDispose]()
  }

  #accept(message: StreamFrame): ReturnType<RevocationRelay['accept']> {
    this.#relay.comesThrough(this.#upstreams.current.path)
    return this.#relay.accept(message)
  }

  #fetchSnapshot(): void {
    if (this.#isFetching) return
    this.#isFetching = true
    const fetched = this.#upstreams.fetchSnapshot(this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#deps.log.warn({ event: 'revocation.snapshot_failed', code: error instanceof MayflyError ? error.code : 'INTERNAL' }, 'a snapshot of the revocations could not be had')
    })
    void fetched.finally(() => (this.#isFetching = false))
  }

  /** @throws {MayflyError} UNAVAILABLE when no upstream answers */
  async #askTime(nonces: readonly Uint8Array[]): Promise<StreamFrame> {
    let answer: StreamFrame | undefined
    const isAnswer = (frame: StreamFrame): boolean => {
      if (!this.#isTime(frame, nonces)) return false
      answer = frame
      return true
    }
    await this.#upstreams.askTime(async (upstream, signal) => upstream.times(nonces, signal), isAnswer, this.#stop.signal)
    if (answer === undefined) throw new MayflyError('UNAVAILABLE', 'no upstream of this relay tells the time of the signer')
    return answer
  }

  /** Whether a frame names these nonces and is signed by the stream's key; what it says is for those who asked. */
  #isTime(message: StreamFrame, nonces: readonly Uint8Array[]): boolean {
    const opened = openFrame(message.frame)
    const frame = opened === undefined ? undefined : decodeFrameBody(opened.body)
    if (frame?.kind !== 'time' || !nonces.every((nonce) => frame.nonces.some((other) => equalBytes(other, nonce)))) return false
    const { kind } = this.#relay.reader.accept(message)
    return kind === 'timed' || kind === 'duplicate'
  }
}
