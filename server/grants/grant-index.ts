import { hasEnded, isOver, type Grant } from '../../src/core/grant/grant.ts'
import { advance } from '../../src/core/grant/machine.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { GrantStore } from '../store/grant-port.ts'
import type { CommittedRecord, JournalStore } from '../store/port.ts'

/** Told of each grant that changed, as it is now, after the commit and before its caller. It must not throw. */
export type GrantListener = (grant: Grant) => void

const loadPageSize = 1_000

/** All grants that are not over, as the main thread knows them: loaded at the start, then following each commit with the same state machine as the store. */
export class GrantIndex implements Disposable {
  readonly #live = new Map<string, Grant>()
  readonly #byAgent = new Map<SpiffeId, Set<string>>()
  readonly #bySerial = new Map<string, string>()
  readonly #listeners = new Set<GrantListener>()
  readonly #ended = new Set<(serials: readonly string[], cause: string) => void>()
  #following: Disposable | undefined

  static async start(store: { readonly grants: GrantStore; readonly journal: JournalStore }): Promise<GrantIndex> {
    const index = new GrantIndex()
    let after: string | undefined
    do {
      const page = await store.grants.live(after === undefined ? { size: loadPageSize } : { size: loadPageSize, after })
      for (const grant of page.items) index.#put(grant)
      after = page.next
    } while (after !== undefined)
    index.#following = store.journal.onCommit(({ records }) => index.#follow(records))
    return index
  }

  byId(id: string): Grant | undefined {
    return this.#live.get(id)
  }

  /** Whose credential this is now. */
  bySerial(serial: string): Grant | undefined {
    const id = this.#bySerial.get(serial)
    return id === undefined ? undefined : this.#live.get(id)
  }

  ofAgent(agentId: SpiffeId): readonly Grant[] {
    return [...(this.#byAgent.get(agentId) ?? [])].flatMap((id) => this.#live.get(id) ?? [])
  }

  all(): IterableIterator<Grant> {
    return this.#live.values()
  }

  get size(): number {
    return this.#live.size
  }

  onChange(listener: GrantListener): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Called with serials that were revoked by another way than a grant's end, and why. */
  onRevoked(listener: (serials: readonly string[], cause: string) => void): Disposable {
    this.#ended.add(listener)
    return { [Symbol.dispose]: () => void this.#ended.delete(listener) }
  }

  [Symbol.dispose](): void {
    this.#following?.[Symbol.dispose]()
  }

  #follow(records: readonly CommittedRecord[]): void {
    const revoked: { readonly serials: readonly string[]; readonly cause: string }[] = []
    for (const committed of records) {
      if (committed.kind === 'credentials.reserved' || committed.kind === 'credentials.released') continue // most commits issue: their records are not even parsed
      const { record } = committed
      if (record.kind === 'grant.requested') this.#changed(record.grant)
      else if (record.kind === 'grant.moved') this.#moved(record.id, record.move, record.atMs)
      else if (record.kind === 'credentials.ended' && record.bit === 'revoked') revoked.push(record)
    }
    // after all of the commit: what a grant's own move took away is no longer its credential then
    for (const { serials, cause } of revoked) {
      const current = serials.filter((serial) => this.#bySerial.has(serial))
      if (current.length > 0) for (const listener of this.#ended) listener(current, cause)
    }
  }

  #moved(id: string, move: Parameters<typeof advance>[1], atMs: number): void {
    const before = this.#live.get(id)
    if (before === undefined) return
    const after = advance(before, move, atMs)
    if (after.kind === 'moved') this.#changed(after.grant)
  }

  #changed(grant: Grant): void {
    this.#put(grant)
    for (const listener of this.#listeners) listener(grant)
  }

  #put(grant: Grant): void {
    const before = this.#live.get(grant.id)
    if (before !== undefined && before.serial !== grant.serial) this.#bySerial.delete(before.serial)
    if (isOver(grant.state)) return this.#drop(grant)
    this.#live.set(grant.id, grant)
    if (grant.serial !== '') this.#bySerial.set(grant.serial, grant.id)
    const ofAgent = this.#byAgent.get(grant.agentId)
    if (ofAgent === undefined) this.#byAgent.set(grant.agentId, new Set([grant.id]))
    else ofAgent.add(grant.id)
  }

  #drop({ id, agentId }: Grant): void {
    this.#live.delete(id)
    const ofAgent = this.#byAgent.get(agentId)
    ofAgent?.delete(id)
    if (ofAgent?.size === 0) this.#byAgent.delete(agentId)
  }
}

/** Whether it has a process to live with, whose agent vouches for it. */
export function isRunning({ state }: Pick<Grant, 'state'>): boolean {
  return state === 'active' || state === 'suspended'
}

/** Whether it waits for its activation. */
export function isWaiting({ state }: Pick<Grant, 'state'>): boolean {
  return state === 'requested' || state === 'pending_approval' || state === 'approved'
}

/** Whether it can still come to something. */
export function isOpen({ state }: Pick<Grant, 'state'>): boolean {
  return !hasEnded(state)
}
