import { formatSelector } from '../../src/core/selector.ts'
import type { Selector } from '../../src/core/selector.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Agent } from '../store/port.ts'
import type { AgentFacts } from './entry-index.ts'

export interface IndexedAgent extends AgentFacts {
  readonly banned: boolean
  /** Of its newest SVID; 0 before it has one. */
  readonly notAfterMs: number
}

/** The attested agents, with what decides on their calls: banned or not, and the selectors that node aliases ask for. */
export class AgentIndex {
  readonly #byId = new Map<SpiffeId, IndexedAgent>()

  get size(): number {
    return this.#byId.size
  }

  byId(id: SpiffeId): IndexedAgent | undefined {
    return this.#byId.get(id)
  }

  put(agent: Pick<Agent, 'id' | 'selectors' | 'banned' | 'notAfterMs'>): void {
    this.#byId.set(agent.id, { id: agent.id, banned: agent.banned, notAfterMs: agent.notAfterMs, selectors: selectorsOf(agent.id, agent.selectors) })
  }

  /** Those with an SVID that is valid at `nowMs`. */
  *alive(nowMs: number): Generator<IndexedAgent> {
    for (const agent of this.#byId.values()) if (!agent.banned && agent.notAfterMs >= nowMs) yield agent
  }

  renewed(id: SpiffeId, notAfterMs: number): void {
    const agent = this.#byId.get(id)
    if (agent !== undefined) this.#byId.set(id, { ...agent, notAfterMs })
  }

  /** `selectors` as `type:value`. */
  attested(id: SpiffeId, selectors: readonly string[]): void {
    this.#byId.set(id, { id, banned: false, notAfterMs: 0, selectors: new Set([`spiffe_id:${id}`, ...selectors]) })
  }

  ban(id: SpiffeId): void {
    const agent = this.#byId.get(id)
    if (agent !== undefined) this.#byId.set(id, { ...agent, banned: true })
  }

  remove(id: SpiffeId): void {
    this.#byId.delete(id)
  }
}

/** Every agent has its own ID as a selector, so that one agent can be given a node alias. */
function selectorsOf(id: SpiffeId, selectors: readonly Selector[]): ReadonlySet<string> {
  return new Set([`spiffe_id:${id}`, ...selectors.map((selector) => formatSelector(selector))])
}
