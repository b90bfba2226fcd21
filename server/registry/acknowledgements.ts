import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { AgentIndex } from './agent-index.ts'

/** Which bundle each agent has taken in and passed on to its workloads: an authority signs only once all of them know it. */
export class Acknowledgements {
  readonly #agents: AgentIndex
  readonly #clock: Clock
  readonly #byAgent = new Map<SpiffeId, number>()
  /** The bundle in which each authority was first published, as far as this process knows. */
  readonly #publishedIn = new Map<string, number>()

  constructor(agents: AgentIndex, clock: Clock) {
    this.#agents = agents
    this.#clock = clock
  }

  /** Call it whenever the bundle changes. After a restart every authority counts as new: agents acknowledge anew when they connect. */
  published(authorityIds: readonly string[], sequence: number): void {
    for (const id of authorityIds) if (!this.#publishedIn.has(id)) this.#publishedIn.set(id, sequence)
    for (const id of this.#publishedIn.keys()) if (!authorityIds.includes(id)) this.#publishedIn.delete(id)
    for (const id of this.#byAgent.keys()) if (this.#agents.byId(id) === undefined) this.#byAgent.delete(id) // evicted
  }

  acknowledge(agentId: SpiffeId, sequence: number): void {
    this.#byAgent.set(agentId, Math.max(sequence, this.#byAgent.get(agentId) ?? 0))
  }

  /** Whether every agent that holds a valid SVID, connected or not, has taken in a bundle with this authority. */
  hasAll(authorityId: string): boolean {
    const sequence = this.#publishedIn.get(authorityId)
    if (sequence === undefined) return false
    for (const agent of this.#agents.alive(this.#clock.nowMs())) if ((this.#byAgent.get(agent.id) ?? -1) < sequence) return false
    return true
  }
}
