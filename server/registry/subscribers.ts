import type { Entry } from '../../src/core/entry.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { AgentIndex } from './agent-index.ts'
import type { EntryIndex, IndexedEntry, Roots } from './entry-index.ts'

/** Something about an entry changed: what it was, what it is, and all that was committed of it (unset: to be read from the store). */
export interface Touched {
  readonly id: string
  readonly before?: IndexedEntry
  readonly after?: IndexedEntry
  readonly entry?: Entry
}

/** What waits for one connected agent. Coalesced by entry: a slow reader holds at most one change for each entry. */
export class Subscription implements Disposable {
  readonly agentId: SpiffeId
  /** Ids the agent was told of. */
  readonly known: Set<string> = new Set()
  readonly #onDirty: () => void
  readonly #leave: (subscription: Subscription) => void
  #dirty = new Map<string, Entry | undefined>()
  #whole = false

  constructor(agentId: SpiffeId, onDirty: () => void, leave: (subscription: Subscription) => void) {
    this.agentId = agentId
    this.#onDirty = onDirty
    this.#leave = leave
  }

  touch(id: string, entry: Entry | undefined): void {
    this.#dirty.set(id, entry)
    this.#onDirty()
  }

  /** More than single entries may have changed for this agent. */
  touchAll(): void {
    this.#whole = true
    this.#onDirty()
  }

  get isDirty(): boolean {
    return this.#whole || this.#dirty.size > 0
  }

  /** What is to be looked at again, and nothing is left. */
  take(): { readonly whole: boolean; readonly entries: ReadonlyMap<string, Entry | undefined> } {
    const taken = { whole: this.#whole, entries: this.#dirty }
    this.#dirty = new Map()
    this.#whole = false
    return taken
  }

  [Symbol.dispose](): void {
    this.#leave(this)
  }
}

/** The connected agents, and which of them a committed change concerns. */
export class Subscribers {
  readonly #entries: EntryIndex
  readonly #agents: AgentIndex
  readonly #byAgent = new Map<SpiffeId, Set<Subscription>>()

  constructor(entries: EntryIndex, agents: AgentIndex) {
    this.#entries = entries
    this.#agents = agents
  }

  /** How many agents hold a stream. */
  get connected(): number {
    return this.#byAgent.size
  }

  /** `onDirty` is called at each touch; dispose of the subscription to leave. */
  add(agentId: SpiffeId, onDirty: () => void): Subscription {
    const subscription = new Subscription(agentId, onDirty, (left) => this.#remove(left))
    const others = this.#byAgent.get(agentId)
    if (others === undefined) this.#byAgent.set(agentId, new Set([subscription]))
    else others.add(subscription)
    return subscription
  }

  touchAgent(agentId: SpiffeId): void {
    for (const subscription of this.#byAgent.get(agentId) ?? []) subscription.touchAll()
  }

  /** Tells those agents whose sight a changed entry is or was in. Work: parents touched × agents reached, not entries × agents. */
  touch(changes: readonly Touched[]): void {
    if (this.#byAgent.size === 0) return
    const reached = new Map<SpiffeId, readonly Subscription[]>()
    for (const change of changes) {
      const versions = [change.before, change.after].filter((version) => version !== undefined)
      if (versions.some((version) => this.#entries.isAlias(version))) {
        for (const subscriptions of this.#byAgent.values()) for (const subscription of subscriptions) subscription.touchAll()
        return
      }
      const whole = versions.some((version) => this.#entries.hasChildren(version.spiffeId))
      for (const version of versions) {
        const subscriptions = reached.get(version.parentId) ?? this.#reachedBy(this.#entries.rootsOf(version.parentId))
        reached.set(version.parentId, subscriptions)
        for (const subscription of subscriptions) {
          if (whole) subscription.touchAll()
          subscription.touch(change.id, change.entry)
        }
      }
    }
  }

  #reachedBy(roots: Roots): readonly Subscription[] {
    const subscriptions = new Set<Subscription>()
    for (const agentId of roots.agentIds) for (const subscription of this.#byAgent.get(agentId) ?? []) subscriptions.add(subscription)
    if (roots.aliases.length > 0) {
      for (const [agentId, held] of this.#byAgent) {
        const agent = this.#agents.byId(agentId)
        if (agent !== undefined && roots.aliases.some((selectors) => selectors.every((selector) => agent.selectors.has(selector)))) {
          for (const subscription of held) subscriptions.add(subscription)
        }
      }
    }
    return [...subscriptions]
  }

  #remove(subscription: Subscription): void {
    const held = this.#byAgent.get(subscription.agentId)
    held?.delete(subscription)
    if (held?.size === 0) this.#byAgent.delete(subscription.agentId)
  }
}
