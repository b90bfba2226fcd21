import type { AgentMessage } from '../../proto/generated/mayfly/v1/AgentMessage.ts'
import type { CrlSet__Output } from '../../proto/generated/mayfly/v1/CrlSet.ts'
import type { ServerMessage__Output } from '../../proto/generated/mayfly/v1/ServerMessage.ts'
import type { Entry } from '../../src/core/entry.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import { within } from '../abortable.ts'
import { Notifier } from '../notifier.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import { backoffMs, halfLife, halfLifeOfKept, isDue } from '../rotation/schedule.ts'
import type { DueTime } from '../rotation/schedule.ts'
import type { SigningOutcome, SigningRequest, SvidSigner } from '../rotation/signer.ts'
import type { Moment } from '../rotation/workload-svid.ts'
import { heardWithin, Wake } from '../wake.ts'
import type { AgentState } from './agent-state.ts'
import type { AgentSvid } from './agent-svid.ts'
import { renewAgent } from './attestation.ts'
import { EndedReports } from './ended-reports.ts'
import type { EntryCache } from './entry-cache.ts'
import { Membership, permanent, rejoinHint } from './membership.ts'
import { channelToServer } from './server-channel.ts'
import { signedBy } from './svid-call.ts'
import type { Trust } from './trust.ts'
import type { StreamFrame } from '../../src/verify/reader.ts'
import { bufferOf, entryFromWire, frameFromWire, nowhere, positionToWire } from './wire.ts'

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
  readonly relay: RevocationRelay
  readonly reports: VerifierReports
  readonly state: AgentState
}

const maxEndedSerials = 50_000
const maxReportSerials = 5_000
const renewLookMs = 10_000
/** Between two messages with reports of verifiers: what comes together is sent together. */
const reportGapMs = 20

/**
 * The one connection of an agent to its server: the stream of what changes, kept up for as long as the agent runs, and the calls
 * beside it. While the server is away all that is known stays as it was.
 */
export class ServerConnection implements SvidSigner, AsyncDisposable {
  readonly #config: ServerConnectionConfig
  readonly #deps: ServerConnectionDeps
  readonly #stop = new AbortController()
  readonly #outgoing = new Wake()
  readonly #renewal = new Wake()
  readonly #ended = new EndedReports(maxEndedSerials)
  readonly #calls = new Set<Promise<unknown>>()
  #svid: AgentSvid
  #renewAt: DueTime
  readonly #membership: Membership
  #channel: RpcChannel | undefined
  #connectedSinceMs: number | undefined
  #ackDue = false
  #renewNow: string | undefined
  #fetchingSnapshot = false
  #running: Promise<void> = Promise.resolve()
  readonly #synced = Promise.withResolvers<void>()
  readonly #lost = Promise.withResolvers<MayflyError>()

  /** Connected or disconnected, or the agent's SVID is another. */
  readonly changed: Notifier<void> = new Notifier()

  private constructor(config: ServerConnectionConfig, deps: ServerConnectionDeps, svid: AgentSvid) {
    this.#config = config
    this.#deps = deps
    this.#svid = svid
    const now = this.#now()
    this.#renewAt = halfLifeOfKept(svid, now, deps.random)
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
    return this.#svid
  }

  /** Tells the server, now or when it is back, that the keys of these serials are gone. */
  reportEnded(serials: readonly Uint8Array[]): void {
    const dropped = this.#ended.add(serials)
    if (dropped > 0) this.#deps.log.warn({ event: 'ended.dropped', serials: dropped }, 'too many ended credentials wait for the server: the oldest are left to expire')
    this.#outgoing.ring()
  }

  /** The server's lists of revoked certificates, until the connection breaks off. @throws {MayflyError} UNAVAILABLE */
  async *crls(signal: AbortSignal): AsyncGenerator<CrlSet__Output, void, undefined> {
    const channel = await this.#connectedChannel()
    yield* channel.serverStream('mayfly.v1.Crls', 'Watch', {}, { signal: AbortSignal.any([signal, this.#stop.signal]) })
  }

  async sign(requests: readonly SigningRequest[]): Promise<readonly SigningOutcome[]> {
    const channel = await this.#connectedChannel()
    const call = signedBy(channel, requests, this.#stop.signal)
    this.#calls.add(call)
    try {
      return await call
    } finally {
      this.#calls.delete(call)
    }
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
      const reason = this.#membership.lostBy(end.error)
      if (reason !== undefined) {
        await this.#giveUp(reason)
        return
      }
      failures = end.wasConnected ? 1 : failures + 1
      const waitMs = backoffMs(failures, this.#config.retry, random)
      log.warn({ event: 'server.disconnected', address: this.#config.address, code: end.error.code, cause: end.error.message, failures, retryMs: waitMs }, 'no connection to the server')
      await clock.sleep(waitMs, signal).catch(() => undefined) // only aborts
    }
  }

  /** One connection, to its end. */
  async #session(): Promise<SessionEnd> {
    const { clock, trust, relay } = this.#deps
    const session = new AbortController()
    const stopped = (): void => session.abort(this.#stop.signal.reason)
    this.#stop.signal.addEventListener('abort', stopped, { once: true })
    const channel = channelToServer(this.#config.address, clock, trust, this.#svid, relay.reader)
    this.#channel = channel
    this.#ended.reconnected()
    this.#deps.reports.reconnected()
    const renewal = this.#renew(channel, session).catch((error: unknown) => session.abort(asMayflyError(error)))
    const parts: Entry[] = []
    try {
      for await (const message of channel.bidi('mayfly.v1.Sync', 'Connect', this.#messages(session.signal), { signal: session.signal })) {
        if (this.#connectedSinceMs === undefined) this.#connected()
        this.#take(message, parts)
      }
      return { kind: 'failed', error: new MayflyError('UNAVAILABLE', 'the server ended the stream'), wasConnected: this.#connectedSinceMs !== undefined }
    } catch (error) {
      if (session.signal.reason === renewed) return { kind: 'renewed' }
      return { kind: 'failed', error: asMayflyError(session.signal.aborted ? session.signal.reason : error), wasConnected: this.#connectedSinceMs !== undefined }
    } finally {
      this.#stop.signal.removeEventListener('abort', stopped)
      session.abort()
      await renewal
      this.#disconnected(channel)
    }
  }

  #connected(): void {
    this.#connectedSinceMs = this.#deps.clock.nowMs()
    this.#renewal.ring() // it may be due since long
    this.#deps.log.info({ event: 'server.connected', address: this.#config.address, agentId: this.#svid.id }, 'connected to the server')
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

  #take(wire: ServerMessage__Output, parts: Entry[]): void {
    const { entries, trust, relay, log, state } = this.#deps
    switch (wire.message) {
      case 'snapshot':
        parts.push(...(wire.snapshot?.entries ?? []).map(entryFromWire))
        if (wire.snapshot?.complete === true) {
          log.info({ event: 'entries.synced', entries: parts.length }, 'all entries of this agent are known')
          entries.replace(parts.splice(0))
          this.#synced.resolve()
          this.changed.emit()
        }
        return
      case 'change':
        entries.apply((wire.change?.upserted ?? []).map(entryFromWire), wire.change?.deletedIds ?? [])
        return
      case 'bundle':
        if (wire.bundle !== null && wire.bundle !== undefined && trust.replace(wire.bundle)) {
          log.info({ event: 'bundle.changed', authorities: trust.bundle.x509Authorities.length, sequence: String(trust.bundle.sequence ?? 0n) }, 'the bundle has changed')
          state.saveBundle(trust.bundle).catch((error: unknown) => log.error({ event: 'state.unwritable', error: String(error) }, 'the bundle could not be kept'))
        }
        this.#acknowledge()
        return
      case 'revocations': {
        if (wire.revocations === null || wire.revocations === undefined) return
        const outcome = relay.accept(frameFromWire(wire.revocations))
        if (outcome.kind === 'applied' || outcome.kind === 'replaced') this.#acknowledge()
        return
      }
      case 'endedAccepted':
        this.#ended.accepted(wire.endedAccepted?.reportId ?? 0)
        this.#outgoing.ring()
        return
      case 'renew':
        this.#renewNow = wire.renew?.reason ?? ''
        this.#renewal.ring()
        return
      case 'grants':
      case 'policy':
      case undefined:
        return // of a later version
      default:
        wire.message satisfies never
    }
  }

  async *#messages(signal: AbortSignal): AsyncGenerator<AgentMessage, void, undefined> {
    const { relay, trust, reports, clock } = this.#deps
    using _ = reports.changed.on(() => this.#outgoing.ring())
    yield { hello: { agentVersion: this.#config.agentVersion, position: positionToWire(relay.reader.position) } }
    while (!signal.aborted) {
      if (this.#ackDue) {
        this.#ackDue = false
        const { epoch, seq } = relay.reader.position
        yield { ack: { bundleSequence: Number(trust.bundle.sequence ?? 0n), epoch, seq } }
        continue
      }
      const report = this.#ended.next(maxReportSerials)
      if (report !== undefined) {
        yield { ended: { reportId: report.reportId, serials: report.serials.map(bufferOf) } }
        continue
      }
      const verifiers = reports.next()
      if (verifiers !== undefined) {
        yield { verifiers }
        await clock.sleep(reportGapMs, signal).catch(() => undefined) // only aborts
        continue
      }
      await this.#outgoing.heard(signal).catch(() => undefined) // only aborts
    }
  }

  #acknowledge(): void {
    this.#ackDue = true
    this.#outgoing.ring()
  }

  /** Renews when half of the life has passed, or when the server asks, and then ends the session so that the next one shows the new SVID. */
  async #renew(channel: RpcChannel, session: AbortController): Promise<void> {
    const { clock, trust, state, log, random } = this.#deps
    const { signal } = session
    let failures = 0
    while (!signal.aborted) {
      const now = this.#now()
      if (this.#connectedSinceMs !== undefined && (this.#renewNow !== undefined || isDue(this.#renewAt, now))) {
        try {
          const svid = await renewAgent(channel, trust, clock, signal)
          await state.saveSvid(svid)
          const renewedAt = this.#now()
          this.#svid = svid
          this.#renewNow = undefined
          this.#renewAt = halfLife(svid.notAfterMs, renewedAt, random)
          this.#membership.renewed(svid)
          log.info({ event: 'agent.renewed', agentId: svid.id, serial: svid.serial, notAfterMs: svid.notAfterMs }, 'renewed the SVID of this agent')
          session.abort(renewed)
          return
        } catch (error) {
          if (signal.aborted) return
          const failure = asMayflyError(error)
          if (permanent.has(failure.code)) throw failure
          failures++
          log.warn({ event: 'agent.renew_failed', code: failure.code, cause: failure.message, failures }, 'the SVID of this agent could not be renewed')
          await clock.sleep(backoffMs(failures, this.#config.retry, random), signal).catch(() => undefined) // only aborts
          continue
        }
      }
      const untilDue = Math.min(this.#renewAt.atMs - now.nowMs, this.#renewAt.atBootMs - now.bootMs)
      const sleepMs = this.#connectedSinceMs === undefined ? 1_000 : Math.max(50, Math.min(renewLookMs, untilDue))
      await heardWithin(this.#renewal, sleepMs, clock, signal)
    }
  }

  async #snapshotOver(channel: RpcChannel): Promise<void> {
    const { relay, log } = this.#deps
    try {
      for await (const wire of channel.serverStream('mayfly.v1.RevocationStream', 'Watch', { position: positionToWire(nowhere) }, { signal: this.#stop.signal, timeoutMs: 30_000 })) {
        const outcome = relay.accept(frameFromWire(wire))
        if (outcome.kind === 'confirmed') return
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) log.warn({ event: 'revocation.snapshot_failed', code: asMayflyError(error).code }, 'a snapshot of the revocations could not be had')
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

  async #giveUp(reason: MayflyError): Promise<void> {
    this.#deps.log.error({ event: 'agent.lost', code: reason.code, cause: reason.message }, 'the server has this agent no more')
    this.#deps.entries.replace([])
    await this.#deps.state.forget().catch((error: unknown) => this.#deps.log.error({ event: 'state.unwritable', error: String(error) }, 'the identity of this agent could not be removed from disk'))
    this.#lost.resolve(new MayflyError(reason.code, reason.message, { hint: reason.hint ?? rejoinHint, cause: reason }))
  }

  #now(): Moment {
    return { nowMs: this.#deps.clock.nowMs(), bootMs: this.#deps.clock.bootMs() }
  }
}

type SessionEnd = { readonly kind: 'renewed' } | { readonly kind: 'failed'; readonly error: MayflyError; readonly wasConnected: boolean }

/** Why a session ends when the agent has a new SVID. */
const renewed = new MayflyError('UNAVAILABLE', 'connecting again with the renewed SVID')

function notConnected(): MayflyError {
  return new MayflyError('UNAVAILABLE', 'the agent has no connection to its server')
}

function asMayflyError(error: unknown): MayflyError {
  return error instanceof MayflyError ? error : new MayflyError('INTERNAL', 'the connection to the server failed', { cause: error })
}
