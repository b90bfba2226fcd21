import type { CrlSet__Output } from '../../proto/generated/mayfly/v1/CrlSet.ts'
import { asMayflyError, MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import type { MetadataInit } from '../../src/rpc/metadata.ts'
import type { MethodsOfKind, Request, ResponseOutput } from '../../src/rpc/services.ts'
import { within } from '../abortable.ts'
import { Notifier } from '../notifier.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import { backoffMs } from '../rotation/schedule.ts'
import type { SigningOutcome, SigningRequest, SvidSigner } from '../rotation/signer.ts'
import type { AgentState } from './agent-state.ts'
import type { AgentSvid } from './agent-svid.ts'
import type { EntryCache } from './entry-cache.ts'
import type { Federation } from './federation.ts'
import { Intake } from './intake.ts'
import type { Consequence, GrantNews } from './intake.ts'
import { Membership, rejoinHint } from './membership.ts'
import { Outbox } from './outbox.ts'
import type { SignsOfLife } from './outbox.ts'
import { Renewal } from './renewal.ts'
import { channelToServer } from './server-channel.ts'
import { signedBy } from './svid-call.ts'
import { returnToRestored } from './returning.ts'
import type { Trust } from './trust.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { bufferOf, frameFromWire, nowhere, positionToWire } from './wire.ts'

export interface ServerConnectionConfig {
  readonly address: string
  readonly agentVersion: string
  /** Between attempts to connect. */
  readonly retry: { readonly leastMs: number; readonly mostMs: number }
  /** How long a signing request waits for a connection that is being made. */
  readonly signWaitMs: number
}

export interface ServerConnectionDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly trust: Trust
  readonly entries: EntryCache
  readonly federation: Federation
  readonly relay: RevocationRelay
  readonly reports: VerifierReports
  readonly state: AgentState
  readonly grants: GrantNews
  readonly life: SignsOfLife
}

/**
 * The one connection of an agent to its server: the stream of what changes, kept up for as long as the agent runs, and the calls
 * beside it. While the server is away all that is known stays as it was.
 */
export class ServerConnection implements SvidSigner, AsyncDisposable {
  readonly #config: ServerConnectionConfig
  readonly #deps: ServerConnectionDeps
  readonly #stop = new AbortController()
  readonly #outbox: Outbox
  readonly #renewal: Renewal
  readonly #calls = new Set<Promise<unknown>>()
  readonly #membership: Membership
  #channel: RpcChannel | undefined
  #connectedSinceMs: number | undefined
  #fetchingSnapshot = false
  #running: Promise<void> = Promise.resolve()
  readonly #synced = Promise.withResolvers<void>()
  readonly #lost = Promise.withResolvers<MayflyError>()

  /** Connected or disconnected, or the agent's SVID is another. */
  readonly changed: Notifier<void> = new Notifier()

  private constructor(config: ServerConnectionConfig, deps: ServerConnectionDeps, svid: AgentSvid) {
    this.#config = config
    this.#deps = deps
    this.#outbox = new Outbox(config.agentVersion, deps)
    this.#renewal = new Renewal(svid, config.retry, deps)
    this.#membership = new Membership(deps, svid)
  }

  static start(config: ServerConnectionConfig, deps: ServerConnectionDeps, svid: AgentSvid): ServerConnection {
    const connection = new ServerConnection(config, deps, svid)
    connection.#running = connection.#run()
    return connection
  }

  /** Resolves once all entries of this agent are known; never rejects. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** Resolves with the reason when the server will never have this agent again: it must join anew. */
  get lost(): Promise<MayflyError> {
    return this.#lost.promise
  }

  get connectedSinceMs(): number | undefined {
    return this.#connectedSinceMs
  }

  get svid(): AgentSvid {
    return this.#renewal.svid
  }

  /** Tells the server, now or when it is back, that the keys of these serials are gone. */
  reportEnded(serials: readonly Uint8Array[]): void {
    this.#outbox.ended(serials)
  }

  /** The server's lists of revoked certificates, until the connection breaks off. @throws {MayflyError} UNAVAILABLE */
  async *crls(signal: AbortSignal): AsyncGenerator<CrlSet__Output, void, undefined> {
    const channel = await this.#connectedChannel()
    yield* channel.serverStream('mayfly.v1.Crls', 'Watch', {}, { signal: AbortSignal.any([signal, this.#stop.signal]) })
  }

  async sign(requests: readonly SigningRequest[], metadata?: MetadataInit): Promise<readonly SigningOutcome[]> {
    const channel = await this.#connectedChannel()
    return await this.#counted(signedBy(channel, requests, this.#stop.signal, metadata))
  }

  /** One call about grants. @throws {MayflyError} UNAVAILABLE without a connection, and what the server refuses with */
  async grantCall<M extends MethodsOfKind<'mayfly.v1.GrantControl', 'unary'>>(
    method: M,
    request: Request<'mayfly.v1.GrantControl', M>,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<ResponseOutput<'mayfly.v1.GrantControl', M>> {
    const channel = await this.#connectedChannel()
    const signal = AbortSignal.any([options.signal, this.#stop.signal])
    return await this.#counted(channel.unary('mayfly.v1.GrantControl', method, request, { signal, timeoutMs: options.timeoutMs }))
  }

  /** Asks for the whole revocation state beside the running stream, once at a time. */
  fetchSnapshot(): void {
    const channel = this.#channel
    if (channel === undefined || this.#fetchingSnapshot) return
    this.#fetchingSnapshot = true
    void this.#snapshotOver(channel).finally(() => (this.#fetchingSnapshot = false))
  }

  /** The server's clock, signed for these nonces. @throws {MayflyError} UNAVAILABLE */
  async signerTime(nonces: readonly Uint8Array[]): Promise<StreamFrame> {
    const channel = await this.#connectedChannel()
    return frameFromWire(await channel.unary('mayfly.v1.RevocationStream', 'Time', { nonces: nonces.map(bufferOf) }, { signal: this.#stop.signal, timeoutMs: 5_000 }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { log, clock, random } = this.#deps
    let failures = 0
    while (!signal.aborted) {
      const end = await this.#session()
      if (signal.aborted) return
      if (end.kind === 'renewed') continue
      const problem = end.error.code === 'SERVER_RESTORED' ? await this.#return() : end.error
      if (problem === undefined) continue
      if (signal.aborted) return
      const reason = this.#membership.lostBy(problem)
      if (reason !== undefined) {
        await this.#giveUp(reason)
        return
      }
      failures = end.wasConnected ? 1 : failures + 1
      const waitMs = backoffMs(failures, this.#config.retry, random)
      log.warn({ event: 'server.disconnected', address: this.#config.address, code: problem.code, cause: problem.message, failures, retryMs: waitMs }, 'no connection to the server')
      await clock.sleep(waitMs, signal).catch(() => undefined) // only aborts
    }
  }

  /** One connection, to its end. */
  async #session(): Promise<SessionEnd> {
    const { clock, trust, relay } = this.#deps
    const session = new AbortController()
    const stopped = (): void => session.abort(this.#stop.signal.reason)
    this.#stop.signal.addEventListener('abort', stopped, { once: true })
    const channel = channelToServer(this.#config.address, clock, trust, this.svid, relay.reader)
    this.#channel = channel
    this.#outbox.reconnected()
    const renewal = this.#renew(channel, session).catch((error: unknown) => session.abort(asMayflyError(error, failed)))
    const intake = new Intake(this.#deps)
    try {
      for await (const message of channel.bidi('mayfly.v1.Sync', 'Connect', this.#outbox.messages(this.svid.chain, session.signal), { signal: session.signal })) {
        if (this.#connectedSinceMs === undefined) this.#connected()
        this.#follow(intake.take(message))
      }
      return { kind: 'failed', error: new MayflyError('UNAVAILABLE', 'the server ended the stream'), wasConnected: this.#connectedSinceMs !== undefined }
    } catch (error) {
      if (session.signal.reason === renewed) return { kind: 'renewed' }
      return { kind: 'failed', error: asMayflyError(session.signal.aborted ? session.signal.reason : error, failed), wasConnected: this.#connectedSinceMs !== undefined }
    } finally {
      this.#stop.signal.removeEventListener('abort', stopped)
      session.abort()
      await renewal
      this.#disconnected(channel)
    }
  }

  #connected(): void {
    this.#connectedSinceMs = this.#deps.clock.nowMs()
    this.#renewal.connected()
    this.#deps.log.info({ event: 'server.connected', address: this.#config.address, agentId: this.svid.id }, 'connected to the server')
    this.changed.emit()
  }

  /** Calls in progress finish on the connection that they began on. */
  #disconnected(channel: RpcChannel): void {
    this.#channel = undefined
    this.#connectedSinceMs = undefined
    void Promise.allSettled(this.#calls).then(() => channel.close())
    if (this.#stop.signal.aborted) channel.close()
    this.changed.emit()
  }

  #follow(consequence: Consequence): void {
    if (consequence === undefined) return
    if (consequence === 'acknowledge') this.#outbox.acknowledge()
    else if (consequence === 'entries_known') {
      this.#synced.resolve()
      this.changed.emit()
    } else if (consequence === 'renew') this.#renewal.ask()
    else this.#outbox.endedAccepted(consequence.endedAccepted)
  }

  /** Renews when it is time, and then ends the session so that the next one shows the new SVID. */
  async #renew(channel: RpcChannel, session: AbortController): Promise<void> {
    if (!(await this.#renewal.over(channel, () => this.#connectedSinceMs !== undefined, session.signal))) return
    this.#membership.renewed(this.svid)
    session.abort(renewed)
  }

  async #snapshotOver(channel: RpcChannel): Promise<void> {
    const { relay, log } = this.#deps
    try {
      for await (const wire of channel.serverStream('mayfly.v1.RevocationStream', 'Watch', { position: positionToWire(nowhere) }, { signal: this.#stop.signal, timeoutMs: 30_000 })) {
        const outcome = relay.accept(frameFromWire(wire))
        if (outcome.kind === 'confirmed') return
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) log.warn({ event: 'revocation.snapshot_failed', code: asMayflyError(error, failed).code }, 'a snapshot of the revocations could not be had')
    }
  }

  /** The channel once it is connected, waiting a little for one that is being made. @throws {MayflyError} UNAVAILABLE */
  async #connectedChannel(): Promise<RpcChannel> {
    if (this.#channel !== undefined && this.#connectedSinceMs !== undefined) return this.#channel
    const { promise, resolve } = Promise.withResolvers<RpcChannel>()
    using _ = this.changed.on(() => {
      if (this.#channel !== undefined && this.#connectedSinceMs !== undefined) resolve(this.#channel)
    })
    return await within(promise, this.#config.signWaitMs, notConnected, this.#deps.clock, this.#stop.signal)
  }

  /** A call that the connection it began on is kept open for. */
  async #counted<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call)
    try {
      return await call
    } finally {
      this.#calls.delete(call)
    }
  }

  async #giveUp(reason: MayflyError): Promise<void> {
    this.#deps.log.error({ event: 'agent.lost', code: reason.code, cause: reason.message }, 'the server has this agent no more')
    this.#deps.entries.replace([])
    await this.#deps.state.forget().catch((error: unknown) => this.#deps.log.error({ event: 'state.unwritable', error: String(error) }, 'the identity of this agent could not be removed from disk'))
    this.#lost.resolve(new MayflyError(reason.code, reason.message, { hint: reason.hint ?? rejoinHint, cause: reason }))
  }

  /** After the server was restored. Returns why it could not be done, or nothing. */
  async #return(): Promise<MayflyError | undefined> {
    const { signal } = this.#stop
    try {
      await this.#renewal.adopt(await returnToRestored(this.#config.address, this.svid, { ...this.#deps, revocations: this.#deps.relay.reader }, signal))
      this.#membership.renewed(this.svid)
      return undefined
    } catch (error) {
      return asMayflyError(error, failed)
    }
  }
}

type SessionEnd = { readonly kind: 'renewed' } | { readonly kind: 'failed'; readonly error: MayflyError; readonly wasConnected: boolean }

const failed = 'the connection to the server failed'
/** Why a session ends when the agent has a new SVID. */
const renewed = new MayflyError('UNAVAILABLE', 'connecting again with the renewed SVID')

function notConnected(): MayflyError {
  return new MayflyError('UNAVAILABLE', 'the agent has no connection to its server')
}
