import type { Entry } from '../../src/core/entry.ts'
import { formatSelector, matches } from '../../src/core/selector.ts'
import type { Selector } from '../../src/core/selector.ts'
import { Notifier } from '../notifier.ts'

/** Ids of entries that came, went or are others now. */
export type EntriesChanged = ReadonlySet<string>

/** The entries of this agent, replaced whole by a complete snapshot, and moved by changes in between. */
export class EntryCache {
  #byId: ReadonlyMap<string, Entry> = new Map()
  /** Each entry under one of its selectors, so that a process is held against few of them. */
  #bySelector: ReadonlyMap<string, readonly Entry[]> = new Map()
  #kinds: ReadonlySet<string> = new Set()
  readonly changed: Notifier<EntriesChanged> = new Notifier()

  get all(): ReadonlyMap<string, Entry> {
    return this.#byId
  }

  /** Kinds of selectors that some entry asks for, such as `unix:sha256`. */
  get kinds(): ReadonlySet<string> {
    return this.#kinds
  }

  replace(entries: readonly Entry[]): void {
    const next = new Map(entries.map((entry) => [entry.id, entry]))
    const changed = new Set<string>()
    for (const id of this.#byId.keys()) if (!next.has(id)) changed.add(id)
    for (const [id, entry] of next) {
      const old = this.#byId.get(id)
      if (old === undefined || !isSame(old, entry)) changed.add(id)
      else next.set(id, old)
    }
    this.#take(next, changed)
  }

  apply(upserted: readonly Entry[], deletedIds: readonly string[]): void {
    const next = new Map(this.#byId)
    const changed = new Set<string>()
    for (const id of deletedIds) if (next.delete(id)) changed.add(id)
    for (const entry of upserted) {
      next.set(entry.id, entry)
      changed.add(entry.id)
    }
    this.#take(next, changed)
  }

  /** Drops what has expired; the server's next change or snapshot says the same. */
  expire(nowMs: number): void {
    const over: string[] = []
    for (const entry of this.#byId.values()) if (isOver(entry, nowMs)) over.push(entry.id)
    if (over.length > 0) this.apply([], over)
  }

  /** Those whose selectors are all among the facts and that have not expired, the oldest first (WH-01). */
  match(facts: ReadonlySet<string>, nowMs: number): readonly Entry[] {
    const found: Entry[] = []
    for (const fact of facts) {
      for (const entry of this.#bySelector.get(fact) ?? []) {
        if (matches(entry.selectors, facts) && !isOver(entry, nowMs)) found.push(entry)
      }
    }
    return found.length < 2 ? found : found.sort(byAge)
  }

  #take(next: ReadonlyMap<string, Entry>, changed: ReadonlySet<string>): void {
    if (changed.size === 0) return
    this.#byId = next
    const counts = new Map<string, number>()
    for (const { selectors } of next.values()) for (const selector of selectors) count(counts, formatSelector(selector))
    const bySelector = new Map<string, Entry[]>()
    const kinds = new Set<string>()
    for (const entry of next.values()) {
      for (const selector of entry.selectors) kinds.add(kindOf(selector))
      const rarest = rarestOf(entry.selectors, counts)
      if (rarest === undefined || entry.disabled) continue
      const bucket = bySelector.get(rarest)
      if (bucket === undefined) bySelector.set(rarest, [entry])
      else bucket.push(entry)
    }
    this.#bySelector = bySelector
    this.#kinds = kinds
    this.changed.emit(changed)
  }
}

/** The oldest is the default identity; ids decide between those of one second. */
function byAge(left: Entry, right: Entry): number {
  return left.createdAtSeconds - right.createdAtSeconds || (left.id < right.id ? -1 : 1)
}

function isOver({ expiresAtSeconds }: Entry, nowMs: number): boolean {
  return expiresAtSeconds !== 0 && expiresAtSeconds * 1_000 <= nowMs
}

function isSame(left: Entry, right: Entry): boolean {
  return left.revision === right.revision && JSON.stringify(left) === JSON.stringify(right)
}

function rarestOf(selectors: readonly Selector[], counts: ReadonlyMap<string, number>): string | undefined {
  let rarest: string | undefined
  for (const selector of selectors) {
    const text = formatSelector(selector)
    if (rarest === undefined || (counts.get(text) ?? 0) < (counts.get(rarest) ?? 0)) rarest = text
  }
  return rarest
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function kindOf({ type, value }: Selector): string {
  return `${type}:${value.split(':', 1)[0] ?? ''}`
}
