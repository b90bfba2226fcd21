import { asMayflyError } from '../../src/core/errors.ts'
import type { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { RpcChannel } from '../../src/rpc/channel.ts'
import { momentOf } from '../rotation/moment.ts'
import { backoffMs, halfLife, halfLifeOfKept, isDue } from '../rotation/schedule.ts'
import type { DueTime } from '../rotation/schedule.ts'
import { heardWithin, Wake } from '../wake.ts'
import type { AgentState } from './agent-state.ts'
import type { AgentSvid } from './agent-svid.ts'
import { renewAgent } from './attestation.ts'
import { permanent } from './membership.ts'
import type { Trust } from './trust.ts'

export interface RenewalDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly trust: Trust
  readonly state: AgentState
}

const lookMs = 10_000
const unconnectedLookMs = 1_000
const leastLookMs = 50

/** The SVID of the agent itself: renewed when half of its life has passed, or when the server asks. */
export class Renewal {
  readonly #deps: RenewalDeps
  readonly #retry: { readonly leastMs: number; readonly mostMs: number }
  readonly #wake = new Wake()
  #svid: AgentSvid
  #dueAt: DueTime
  #isAskedFor = false

  constructor(svid: AgentSvid, retry: { readonly leastMs: number; readonly mostMs: number }, deps: RenewalDeps) {
    this.#deps = deps
    this.#retry = retry
    this.#svid = svid
    this.#dueAt = halfLifeOfKept(svid, momentOf(deps.clock), deps.random)
  }

  get svid(): AgentSvid {
    return this.#svid
  }

  /** The server wants this agent to have another. */
  ask(): void {
    this.#isAskedFor = true
    this.#wake.ring()
  }

  /** There is a connection: it may be due since long. */
  connected(): void {
    this.#wake.ring()
  }

  /** Keeps one, on disk too, from now on. */
  async adopt(svid: AgentSvid): Promise<void> {
    const { state, clock, random } = this.#deps
    await state.saveSvid(svid)
    this.#svid = svid
    this.#isAskedFor = false
    this.#dueAt = halfLife(svid.notAfterMs, momentOf(clock), random)
  }

  /** Waits until one is due and renews over this channel while it is connected. Whether there is another; not, when the signal aborted. @throws {MayflyError} when the server will have this agent no more */
  async over(channel: RpcChannel, isConnected: () => boolean, signal: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#deps
    for (let failures = 0; !signal.aborted; ) {
      const now = momentOf(clock)
      if (!isConnected() || !(this.#isAskedFor || isDue(this.#dueAt, now))) {
        const untilDueMs = Math.min(this.#dueAt.atMs - now.nowMs, this.#dueAt.atBootMs - now.bootMs)
        await heardWithin(this.#wake, isConnected() ? Math.max(leastLookMs, Math.min(lookMs, untilDueMs)) : unconnectedLookMs, clock, signal)
        continue
      }
      const failure = await this.#renew(channel, signal)
      if (failure === undefined) return true
      if (signal.aborted) return false
      if (permanent.has(failure.code)) throw failure
      failures++
      this.#deps.log.warn({ event: 'agent.renew_failed', code: failure.code, cause: failure.message, failures }, 'the SVID of this agent could not be renewed')
      await clock.sleep(backoffMs(failures, this.#retry, random), signal).catch(() => undefined) // only aborts
    }
    return false
  }

  /** Why it could not be done, or nothing. */
  async #renew(channel: RpcChannel, signal: AbortSignal): Promise<MayflyError | undefined> {
    const { clock, trust, log } = this.#deps
    try {
      const svid = await renewAgent(channel, trust, clock, signal)
      await this.adopt(svid)
      log.info({ event: 'agent.renewed', agentId: svid.id, serial: svid.serial, notAfterMs: svid.notAfterMs }, 'renewed the SVID of this agent')
      return undefined
    } catch (error) {
      return asMayflyError(error, 'the SVID of this agent could not be renewed')
    }
  }
}
