import type { SpiffeId } from '../../src/core/spiffe-id.ts'

/** A running grant that nobody vouches for ends after so long (invariant 13). Agents vouch every 5 s. */
export const silenceMs = 15_000
/** What an agent has at least after a start of the server, until it has connected and vouched. */
export const graceMs = 60_000
/** Reconnecting costs the server this much for each agent that has running grants: the last in the queue is not taken for dead. */
const perAgentMs = 10
/** A longer silence of the server's own loop is one in which it did not serve. */
const maxStepMs = 2_000

interface Watched {
  readonly agentId: SpiffeId
  /** In time that was served. */
  dueMs: number
}

/**
 * The evidence that running grants still run, in memory only: when each was last vouched for by its agent, counted in time during which this server served.
 * Pure but for what it remembers: callers give the time since boot.
 */
export class ProofOfLife {
  readonly #watched = new Map<string, Watched>()
  readonly #heard = new Set<SpiffeId>()
  #servedMs = 0
  #lookedBootMs: number

  constructor(bootMs: number) {
    this.#lookedBootMs = bootMs
  }

  /** Those that ran when the server started: each agent has until its place in the queue of all who connect anew. */
  resume(grants: readonly { readonly id: string; readonly agentId: SpiffeId }[]): void {
    const agents = new Set(grants.map(({ agentId }) => agentId)).size
    const dueMs = this.#servedMs + Math.max(graceMs, agents * perAgentMs)
    for (const { id, agentId } of grants) this.#watched.set(id, { agentId, dueMs })
  }

  /** One that runs from now on. */
  watch(id: string, agentId: SpiffeId, bootMs: number): void {
    this.#look(bootMs)
    if (!this.#watched.has(id)) this.#watched.set(id, { agentId, dueMs: this.#servedMs + silenceMs })
  }

  forget(id: string): void {
    this.#watched.delete(id)
  }

  /** The agent vouches for these; what it says of grants of another is passed over. From its first word on it is held to the common limit for all of its own. */
  heard(agentId: SpiffeId, grantIds: readonly string[], bootMs: number): void {
    this.#look(bootMs)
    const dueMs = this.#servedMs + silenceMs
    if (!this.#heard.has(agentId)) {
      this.#heard.add(agentId)
      for (const watched of this.#watched.values()) if (watched.agentId === agentId) watched.dueMs = Math.min(watched.dueMs, dueMs)
    }
    for (const id of grantIds) {
      const watched = this.#watched.get(id)
      if (watched?.agentId === agentId) watched.dueMs = dueMs
    }
  }

  /** Those that nobody vouched for in time, again at each call until they are forgotten. To be asked about once a second. */
  orphans(bootMs: number): readonly string[] {
    this.#look(bootMs)
    return [...this.#watched].filter(([, { dueMs }]) => this.#servedMs >= dueMs).map(([id]) => id)
  }

  get size(): number {
    return this.#watched.size
  }

  #look(bootMs: number): void {
    this.#servedMs += Math.min(maxStepMs, Math.max(0, bootMs - this.#lookedBootMs))
    this.#lookedBootMs = bootMs
  }
}
