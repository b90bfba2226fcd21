import type { Entry } from '../../src/core/entry.ts'
import { formatSelector } from '../../src/core/selector.ts'
import type { Selector } from '../../src/core/selector.ts'
import { isAgentId, serverIdOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Target } from '../store/port.ts'
import { Disablements } from './disablements.ts'
import { SpiffeIdIndex } from './spiffe-id-index.ts'

/** What the main thread keeps of an entry: enough to authorize and to issue; the rest is read from the store when it is wanted. */
export interface IndexedEntry {
  readonly id: string
  readonly spiffeId: SpiffeId
  readonly parentId: SpiffeId
  readonly owner: string
  readonly x509SvidTtlSeconds: number
  readonly expiresAtSeconds: number
  readonly dnsNames: readonly string[]
  /** Rises in place when it is revised. */
  revision: number
  readonly createdAtSeconds: number
  readonly admin: boolean
  readonly downstream: boolean
}

/** An agent as far as node aliases are concerned. */
export interface AgentFacts {
  readonly id: SpiffeId
  /** As `type:value`. */
  readonly selectors: ReadonlySet<string>
}

export interface Roots {
  readonly agentIds: ReadonlySet<SpiffeId>
  /** Selectors of each node alias, as `type:value`. */
  readonly aliases: readonly (readonly string[])[]
}

interface Alias {
  readonly entry: IndexedEntry
  readonly selectors: readonly string[]
}

const noNames: readonly string[] = []

/**
 * The entries by id, by parent and by SPIFFE ID, and which of them an agent is authorized for, as SPIRE decides it: the
 * descendants of the agent's ID and of each node alias (an entry below the server's ID whose selectors the agent has).
 * What is disabled or expired is as if it were not there, and nothing is reached through it.
 */
export class EntryIndex {
  readonly #serverId: SpiffeId
  readonly #byId = new Map<string, IndexedEntry>()
  readonly #byParent = new Map<SpiffeId, Set<IndexedEntry>>()
  readonly #bySpiffeId = new SpiffeIdIndex<IndexedEntry>()
  readonly #aliases = new Map<string, Alias>()
  readonly #expiring = new Map<string, number>()
  readonly #ended = new Set<string>()
  readonly #disabled = new Disablements()
  readonly #interned = new Map<string, string>()

  constructor(trustDomain: TrustDomain) {
    this.#serverId = serverIdOf(trustDomain)
  }

  get size(): number {
    return this.#byId.size
  }

  byId(id: string): IndexedEntry | undefined {
    return this.#byId.get(id)
  }

  /** Adds or replaces. */
  put(entry: Entry): void {
    this.remove(entry.id)
    const indexed: IndexedEntry = {
      id: entry.id,
      spiffeId: entry.spiffeId,
      parentId: this.#intern(entry.parentId) as SpiffeId, // the same text
      owner: this.#intern(entry.owner),
      x509SvidTtlSeconds: entry.x509SvidTtlSeconds,
      expiresAtSeconds: entry.expiresAtSeconds,
      dnsNames: entry.dnsNames.length === 0 ? noNames : entry.dnsNames,
      revision: entry.revision,
      createdAtSeconds: entry.createdAtSeconds,
      admin: entry.admin,
      downstream: entry.downstream,
    }
    this.#byId.set(entry.id, indexed)
    const siblings = this.#byParent.get(indexed.parentId)
    if (siblings === undefined) this.#byParent.set(indexed.parentId, new Set([indexed]))
    else siblings.add(indexed)
    this.#bySpiffeId.add(indexed)
    if (indexed.parentId === this.#serverId) this.#aliases.set(entry.id, { entry: indexed, selectors: entry.selectors.map((selector: Selector) => formatSelector(selector)) })
    if (indexed.expiresAtSeconds > 0) this.#expiring.set(entry.id, indexed.expiresAtSeconds)
    if (entry.disabled) this.#disabled.set({ kind: 'entry', entryId: entry.id }, true)
  }

  /** Its revision rises by one. */
  revise(id: string): void {
    const entry = this.#byId.get(id)
    if (entry !== undefined) entry.revision++
  }

  remove(id: string): IndexedEntry | undefined {
    const entry = this.#byId.get(id)
    if (entry === undefined) return undefined
    this.#byId.delete(id)
    const siblings = this.#byParent.get(entry.parentId)
    siblings?.delete(entry)
    if (siblings?.size === 0) this.#byParent.delete(entry.parentId)
    this.#bySpiffeId.delete(entry)
    this.#aliases.delete(id)
    this.#expiring.delete(id)
    this.#ended.delete(id)
    return entry
  }

  /** Follows a disablement or its end. Returns the entries whose standing it may change; for an agent none: see {@link isAgentDisabled}. */
  setDisabled(target: Target, disabled: boolean): readonly IndexedEntry[] {
    if (target.kind !== 'serial') this.#disabled.set(target, disabled)
    switch (target.kind) {
      case 'serial':
      case 'agent':
        return []
      case 'id':
        return this.withSpiffeId(target.id)
      case 'entry': {
        const entry = this.#byId.get(target.entryId)
        return entry === undefined ? [] : [entry]
      }
      case 'owner':
        return [...this.#byId.values()].filter((entry) => entry.owner === target.owner)
      default:
        return target satisfies never
    }
  }

  /** Whether the entry itself, its ID or its owner is disabled. */
  isDisabled(entry: IndexedEntry): boolean {
    return this.#disabled.hasEntry(entry)
  }

  isAgentDisabled(id: SpiffeId): boolean {
    return this.#disabled.hasAgent(id)
  }

  /** Marks the entries that have expired by `nowMs` and returns those not marked before. They stay so when the clock is set back. */
  expire(nowMs: number): readonly IndexedEntry[] {
    const ended: IndexedEntry[] = []
    for (const [id, seconds] of this.#expiring) {
      const entry = seconds * 1_000 <= nowMs ? this.#byId.get(id) : undefined
      if (entry === undefined) continue
      this.#expiring.delete(id)
      this.#ended.add(id)
      ended.push(entry)
    }
    return ended
  }

  /** Marked entries that expired before `beforeMs`: nobody misses them. */
  longExpired(beforeMs: number): readonly string[] {
    return [...this.#ended].filter((id) => (this.#byId.get(id)?.expiresAtSeconds ?? 0) * 1_000 < beforeMs)
  }

  withSpiffeId(id: SpiffeId): readonly IndexedEntry[] {
    return this.#bySpiffeId.with(id)
  }

  hasChildren(id: SpiffeId): boolean {
    return this.#byParent.has(id)
  }

  /** Whether an entry of this kind hangs below the ID, at any depth. */
  isAbove(id: SpiffeId, what: (entry: IndexedEntry) => boolean): boolean {
    const seen = new Set<SpiffeId>([id])
    for (const parent of seen) {
      for (const entry of this.#byParent.get(parent) ?? []) {
        if (what(entry)) return true
        seen.add(entry.spiffeId) // looked at in its turn
      }
    }
    return false
  }

  /** Whether some live entry for this ID makes its holder an administrator. */
  isAdmin(id: SpiffeId, nowMs: number): boolean {
    return this.withSpiffeId(id).some((entry) => entry.admin && this.#isLive(entry, nowMs))
  }

  /** Whether the ID has entries, and none of them is live. */
  isShut(id: SpiffeId, nowMs: number): boolean {
    const entries = this.withSpiffeId(id)
    return entries.length > 0 && !entries.some((entry) => this.#isLive(entry, nowMs))
  }

  /** The oldest live entry by which the holder of this ID runs a server further down. */
  downstreamEntry(id: SpiffeId, nowMs: number): IndexedEntry | undefined {
    const found = this.withSpiffeId(id).filter((entry) => entry.downstream && this.#isLive(entry, nowMs))
    return found.toSorted((left, right) => left.createdAtSeconds - right.createdAtSeconds || (left.id < right.id ? -1 : 1))[0]
  }

  /** The entries an agent is authorized for, by id. */
  authorizedFor(agent: AgentFacts, nowMs: number): Map<string, IndexedEntry> {
    const found = new Map<string, IndexedEntry>()
    this.#walk(agent, nowMs, (entry) => {
      found.set(entry.id, entry)
    })
    return found
  }

  /** The IDs that have entries below them which the agent is authorized for: what to list to read them all. */
  parentsFor(agent: AgentFacts, nowMs: number): ReadonlySet<SpiffeId> {
    const parents = new Set<SpiffeId>()
    this.#walk(agent, nowMs, (entry) => {
      parents.add(entry.parentId)
    })
    return parents
  }

  /** Whether the agent is authorized for the entry now. */
  isAuthorized(agent: AgentFacts, entryId: string, nowMs: number): boolean {
    const entry = this.#byId.get(entryId)
    if (entry === undefined || this.isAgentDisabled(agent.id) || entry.parentId === this.#serverId || !this.#isLive(entry, nowMs)) return false
    return this.#reaches(agent, entry.parentId, nowMs, new Set())
  }

  /** Whose sight an entry below `parentId` may be in, live or not: agents by ID, and the selector sets of node aliases. */
  rootsOf(parentId: SpiffeId): Roots {
    const agentIds = new Set<SpiffeId>()
    const aliases: (readonly string[])[] = []
    const parents = [parentId]
    const seen = new Set<SpiffeId>()
    for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
      if (seen.has(parent)) continue
      seen.add(parent)
      if (isAgentId(parent)) agentIds.add(parent)
      for (const above of this.withSpiffeId(parent)) {
        const alias = this.#aliases.get(above.id)
        if (alias === undefined) parents.push(above.parentId)
        else aliases.push(alias.selectors)
      }
    }
    return { agentIds, aliases }
  }

  /** Whether the agent is the one that is named, or has this alias, or is reached through entries below one. */
  isUnder(agent: AgentFacts, parentId: SpiffeId, nowMs: number): boolean {
    return !this.isAgentDisabled(agent.id) && this.#reaches(agent, parentId, nowMs, new Set())
  }

  isAlias(entry: IndexedEntry): boolean {
    return entry.parentId === this.#serverId
  }

  /** Upwards from a parent: is it the agent, one of its aliases, or below one of them? */
  #reaches(agent: AgentFacts, parentId: SpiffeId, nowMs: number, seen: Set<SpiffeId>): boolean {
    if (parentId === agent.id) return true
    if (seen.has(parentId)) return false
    seen.add(parentId)
    for (const above of this.withSpiffeId(parentId)) {
      if (!this.#isLive(above, nowMs)) continue
      const alias = this.#aliases.get(above.id)
      if (alias === undefined ? this.#reaches(agent, above.parentId, nowMs, seen) : hasAll(agent, alias)) return true
    }
    return false
  }

  #walk(agent: AgentFacts, nowMs: number, visit: (entry: IndexedEntry) => void): void {
    if (this.isAgentDisabled(agent.id)) return
    const seen = new Set<SpiffeId>()
    const parents: SpiffeId[] = [agent.id]
    for (const alias of this.#aliases.values()) {
      if (hasAll(agent, alias) && this.#isLive(alias.entry, nowMs)) parents.push(alias.entry.spiffeId)
    }
    for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
      if (seen.has(parent)) continue
      seen.add(parent)
      for (const entry of this.#byParent.get(parent) ?? []) {
        if (!this.#isLive(entry, nowMs)) continue
        visit(entry)
        parents.push(entry.spiffeId)
      }
    }
  }

  #isLive(entry: IndexedEntry, nowMs: number): boolean {
    return (entry.expiresAtSeconds === 0 || (entry.expiresAtSeconds * 1_000 > nowMs && !this.#ended.has(entry.id))) && !this.isDisabled(entry)
  }

  #intern(text: string): string {
    const held = this.#interned.get(text)
    if (held !== undefined) return held
    if (this.#interned.size > 100_000) this.#interned.clear() // only sharing is lost
    this.#interned.set(text, text)
    return text
  }
}

function hasAll(agent: AgentFacts, alias: Alias): boolean {
  return alias.selectors.length > 0 && alias.selectors.every((selector) => agent.selectors.has(selector))
}
