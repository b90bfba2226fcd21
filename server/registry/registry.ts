import type { Entry } from '../../src/core/entry.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { isGrantRecord } from '../journal/grant-records.ts'
import type { JournalRecord } from '../journal/records.ts'
import type { Commit, Store } from '../store/port.ts'
import { AgentIndex } from './agent-index.ts'
import type { IndexedAgent } from './agent-index.ts'
import { EntryIndex } from './entry-index.ts'
import type { IndexedEntry } from './entry-index.ts'
import { Subscribers } from './subscribers.ts'
import type { Subscription, Touched } from './subscribers.ts'

export interface RegistryDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
}

/** What an agent is to take over. */
export interface EntriesChange {
  readonly upserted: readonly Entry[]
  readonly deletedIds: readonly string[]
}

const pageSize = 1_000
const loadPageSize = 2_000
const expiryCheckMs = 1_000
const keepExpiredMs = 24 * 3_600_000

/** Entries and agents as the main thread knows them: loaded at the start, then following each commit before its caller hears of it. */
export class Registry implements AsyncDisposable {
  readonly entries: EntryIndex
  readonly agents: AgentIndex
  readonly subscribers: Subscribers
  readonly #deps: RegistryDeps
  readonly #stopping = new AbortController()
  #following: Disposable | undefined
  #expiring: Promise<void> = Promise.resolve()

  private constructor(deps: RegistryDeps) {
    this.#deps = deps
    this.entries = new EntryIndex(deps.store.domain.trustDomain)
    this.agents = new AgentIndex()
    this.subscribers = new Subscribers(this.entries, this.agents)
  }

  static async start(deps: RegistryDeps): Promise<Registry> {
    const registry = new Registry(deps)
    await registry.#load()
    registry.#following = deps.store.journal.onCommit((commit) => registry.#follow(commit))
    registry.#expiring = registry.#expire()
    return registry
  }

  /** The agent, when it is attested and neither banned nor disabled. */
  activeAgent(id: SpiffeId): IndexedAgent | undefined {
    const agent = this.agents.byId(id)
    return agent === undefined || agent.banned || this.entries.isAgentDisabled(id) ? undefined : agent
  }

  /** The entry, when the agent is authorized for it now. */
  authorizedEntry(agentId: SpiffeId, entryId: string): IndexedEntry | undefined {
    const agent = this.activeAgent(agentId)
    return agent !== undefined && this.entries.isAuthorized(agent, entryId, this.#deps.clock.nowMs()) ? this.entries.byId(entryId) : undefined
  }

  /** Whether what runs under `parentId` runs on this agent: it is the agent, or an alias that the agent has. */
  isUnder(agentId: SpiffeId, parentId: SpiffeId): boolean {
    const agent = this.activeAgent(agentId)
    return agent !== undefined && this.entries.isUnder(agent, parentId, this.#deps.clock.nowMs())
  }

  authorizedFor(agentId: SpiffeId): ReadonlyMap<string, IndexedEntry> {
    const agent = this.activeAgent(agentId)
    return agent === undefined ? new Map() : this.entries.authorizedFor(agent, this.#deps.clock.nowMs())
  }

  /** Reads all that the agent is authorized for, by pages. */
  async *authorizedEntries(agentId: SpiffeId): AsyncGenerator<readonly Entry[]> {
    const agent = this.activeAgent(agentId)
    if (agent === undefined) return
    for (const parentId of this.entries.parentsFor(agent, this.#deps.clock.nowMs())) {
      let after: string | undefined
      do {
        const page = await this.#deps.store.entries.list({ parentId }, after === undefined ? { size: pageSize } : { size: pageSize, after })
        const seen = page.items.filter((entry) => this.authorizedEntry(agentId, entry.id) !== undefined)
        if (seen.length > 0) yield seen
        after = page.next
      } while (after !== undefined)
    }
  }

  /** What a touched subscription has to tell its agent; an entry that changes while this reads is told of again. */
  async changeFor(subscription: Subscription): Promise<EntriesChange> {
    const { whole, entries } = subscription.take()
    const candidates = new Map(entries)
    if (whole) {
      const authorized = this.authorizedFor(subscription.agentId)
      for (const id of authorized.keys()) if (!subscription.known.has(id) && !candidates.has(id)) candidates.set(id, undefined)
      for (const id of subscription.known) if (!authorized.has(id) && !candidates.has(id)) candidates.set(id, undefined)
    }
    const upserted: Entry[] = []
    const deletedIds: string[] = []
    for (const [id, given] of candidates) {
      const entry = this.authorizedEntry(subscription.agentId, id) === undefined ? undefined : (given ?? (await this.#deps.store.entries.byId(id)))
      if (entry !== undefined) {
        upserted.push(entry)
        subscription.known.add(id)
      } else if (subscription.known.delete(id)) {
        deletedIds.push(id)
      }
    }
    return { upserted, deletedIds }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#following?.[Symbol.dispose]()
    this.#stopping.abort()
    await this.#expiring
  }

  async #load(): Promise<void> {
    const { store } = this.#deps
    let after: string | undefined
    do {
      const page = await store.entries.list({}, after === undefined ? { size: loadPageSize } : { size: loadPageSize, after })
      for (const entry of page.items) this.entries.put(entry)
      after = page.next
    } while (after !== undefined)
    do {
      const page = await store.agents.list({}, after === undefined ? { size: loadPageSize } : { size: loadPageSize, after })
      for (const agent of page.items) this.agents.put(agent)
      after = page.next
    } while (after !== undefined)
    for (const { target } of await store.targets.disabled()) this.entries.setDisabled(target, true)
    this.entries.expire(this.#deps.clock.nowMs())
  }

  #follow(commit: Commit): void {
    const touched: Touched[] = []
    for (const committed of commit.records) if (!committed.kind.startsWith('credentials.')) this.#apply(committed.record, touched) // of most commits, and none of its concern: not even parsed
    if (touched.length > 0) this.subscribers.touch(touched)
  }

  #apply(record: JournalRecord, touched: Touched[]): void {
    if (isGrantRecord(record)) return
    switch (record.kind) {
      case 'entries.created':
      case 'entries.updated':
        for (const entry of record.entries) {
          const before = this.entries.byId(entry.id)
          this.entries.put(entry)
          touched.push(touchedEntry(entry.id, before, this.entries.byId(entry.id), entry))
        }
        return
      case 'entries.revised':
        for (const id of record.ids) this.entries.revise(id) // who follows the stream of revocations knows already
        return
      case 'entries.deleted':
        for (const id of record.ids) touched.push(touchedEntry(id, this.entries.remove(id), undefined, undefined))
        return
      case 'target.disabled':
      case 'target.enabled': {
        const { target } = record
        for (const entry of this.entries.setDisabled(target, record.kind === 'target.disabled')) touched.push(touchedEntry(entry.id, entry, undefined, undefined))
        if (target.kind === 'agent' || target.kind === 'id') this.subscribers.touchAgent(target.id)
        return
      }
      case 'agent.attested':
        this.agents.attested(record.id, record.selectors)
        this.subscribers.touchAgent(record.id)
        return
      case 'agent.banned':
        this.agents.ban(record.id)
        this.subscribers.touchAgent(record.id)
        return
      case 'agent.deleted':
        this.agents.remove(record.id)
        this.subscribers.touchAgent(record.id)
        return
      case 'agent.svid':
        this.agents.renewed(record.id, record.notAfterMs)
        return
      case 'domain.created':
      case 'domain.rolled_back':
      case 'domain.restored':
      case 'token.created':
      case 'agent.version':
      case 'credentials.reserved':
      case 'credentials.released':
      case 'identities.ended':
      case 'credentials.ended':
      case 'prefix.closed':
      case 'credentials.pruned':
      case 'key.denied':
      case 'stream.pruned':
      case 'verifiers.registered':
      case 'verifiers.removed':
      case 'uses.reported':
      case 'target.ending':
      case 'target.ended':
      case 'authority.prepared':
      case 'authority.activated':
      case 'authority.tainted':
      case 'authority.revoked':
      case 'authority.removed':
      case 'bundle.set':
      case 'bundle.deleted':
        return // of no concern to the registry
      default:
        record satisfies never
    }
  }

  async #expire(): Promise<void> {
    const { clock, store, log } = this.#deps
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await clock.sleep(expiryCheckMs, signal)
        const nowMs = clock.nowMs()
        const expired = this.entries.expire(nowMs)
        if (expired.length > 0) this.subscribers.touch(expired.map((entry) => touchedEntry(entry.id, entry, undefined, undefined)))
        const forgotten = this.entries.longExpired(nowMs - keepExpiredMs)
        if (forgotten.length > 0) await store.entries.delete(forgotten.slice(0, pageSize), { name: 'system', atMs: nowMs })
      } catch (error) {
        if (!signal.aborted) log.error({ event: 'registry.expiry_failed', error }, 'could not delete expired entries; it is tried again')
      }
    }
  }
}

function touchedEntry(id: string, before: IndexedEntry | undefined, after: IndexedEntry | undefined, entry: Entry | undefined): Touched {
  return { id, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }), ...(entry === undefined ? {} : { entry }) }
}
