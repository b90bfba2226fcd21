import { MayflyError } from '../src/core/errors.ts'
import type { AgentConfig } from './config.ts'
import type { AgentDeps } from './deps.ts'
import { Listeners } from './listeners.ts'
import { startMember } from './member.ts'
import { metricsOf, tracingOf } from './optional.ts'
import { startParts } from './parts.ts'
import type { AgentParts } from './parts.ts'
import { Progress } from './progress.ts'
import { measureClock } from './relay/measure-clock.ts'
import { AgentState } from './sync/agent-state.ts'
import { entranceOf, join } from './sync/joining.ts'
import type { Entrance } from './sync/joining.ts'
import type { AgentTracing } from './tracing.ts'

const expiryLookMs = 1_000

/**
 * The node agent. Its sockets listen as soon as it starts; joining the server and the first sync go on behind them, and the first
 * calls wait for that.
 */
export class Agent implements AsyncDisposable {
  readonly #config: AgentConfig
  readonly #deps: AgentDeps
  readonly #entrance: Entrance
  readonly #state: AgentState
  readonly #parts: AgentParts
  readonly #tracing: AgentTracing | undefined
  readonly #listeners: Listeners
  readonly #stop = new AbortController()
  readonly #lost = Promise.withResolvers<MayflyError>()
  readonly #background: readonly Promise<void>[]

  private constructor(config: AgentConfig, deps: AgentDeps, entrance: Entrance, state: AgentState, parts: AgentParts, tracing: AgentTracing | undefined, listeners: Listeners) {
    this.#config = config
    this.#deps = deps
    this.#entrance = entrance
    this.#state = state
    this.#parts = parts
    this.#tracing = tracing
    this.#listeners = listeners
    this.#background = [this.#join(), this.#expire(), measureClock({ ...deps, relay: parts.relay, canAsk: () => parts.progress.isSynced }, this.#stop.signal)]
  }

  /** Resolves once the sockets listen. @throws {MayflyError} SOCKET_IN_USE, AGENT_NOT_ATTESTED, AGENT_EXPIRED, CONFIG_INVALID */
  static async start(config: AgentConfig, given: AgentDeps): Promise<Agent> {
    const metrics = await metricsOf(config, given)
    const deps = metrics === undefined ? given : { ...given, log: metrics.log(given.log) }
    const state = new AgentState(deps.files, config.keyStorage)
    const entrance = await entranceOf(config, { ...deps, state })
    const tracing = await tracingOf(config, deps)
    const parts = await startParts(config, deps, entrance.place.trustDomain, new Progress())
    try {
      const listeners = await Listeners.start(config, deps, parts, { serverAddress: entrance.place.address, metrics, tracing })
      return new Agent(config, deps, entrance, state, parts, tracing, listeners)
    } catch (error) {
      await tracing?.[Symbol.asyncDispose]()
      await endParts(parts)
      throw error
    }
  }

  /** Resolves, with the reason, when this agent cannot go on: it was not let in, or not any more. */
  get lost(): Promise<MayflyError> {
    return this.#lost.promise
  }

  /** Resolves once the entries of this agent are known. */
  get synced(): Promise<void> {
    return this.#parts.progress.synced
  }

  /** `host:port` of metrics and probes, when they are served. */
  get metricsAddress(): string | undefined {
    return this.#listeners.metricsAddress
  }

  get trustDomain(): string {
    return this.#entrance.place.trustDomain
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new MayflyError('SHUTTING_DOWN', 'the agent is shutting down'))
    await this.#listeners[Symbol.asyncDispose]()
    await Promise.all(this.#background)
    await this.#tracing?.[Symbol.asyncDispose]()
    await endParts(this.#parts)
  }

  async #join(): Promise<void> {
    const { progress } = this.#parts
    const { place } = this.#entrance
    const state = this.#state
    try {
      const joined = await join(this.#entrance, { ...this.#deps, state }, this.#stop.signal)
      if (this.#stop.signal.aborted) return
      const tracing = this.#tracing
      progress.member = await startMember(this.#config, this.#deps, this.#parts, joined, { state, serverAddress: place.address, signer: tracing === undefined ? undefined : (connection) => tracing.signer(connection) })
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#deps.log.error({ event: 'agent.not_joined', cause: String(error) }, 'this agent could not join its server')
      this.#lost.resolve(error instanceof MayflyError ? error : new MayflyError('INTERNAL', 'joining failed', { cause: error }))
      return
    }
    const { connection } = progress.member
    this.#lost.resolve(connection.lost)
    void connection.synced.then(() => progress.entriesKnown()) // never rejects
  }

  /** Entries with an end of their own go on time, also while the server is away. */
  async #expire(): Promise<void> {
    const { clock } = this.#deps
    while (!this.#stop.signal.aborted) {
      await clock.sleep(expiryLookMs, this.#stop.signal).catch(() => undefined) // only aborts
      this.#parts.entries.expire(clock.nowMs())
    }
  }
}

/** First who speaks, then what is remembered of what was heard. */
async function endParts({ own, elsewhere, progress, heads, newest }: AgentParts): Promise<void> {
  for (const part of [own, elsewhere, progress.member, heads, newest]) await part?.[Symbol.asyncDispose]()
}
