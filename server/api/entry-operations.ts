import { MayflyError } from '../../src/core/errors.ts'
import type { Entry, EntrySpec } from '../../src/core/entry.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { termsOf } from '../limits.ts'
import type { ServerLimits } from '../limits.ts'
import { checkEntry, checkEntryId, checkPatch } from '../registry/entry-rules.ts'
import type { EntryRules, RawEntry } from '../registry/entry-rules.ts'
import type { Actor, EntryFilter, ItemResult, PageOf, Store } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import type { Privileged } from './privileged.ts'
import { ok, statusOf, statusOfError } from './status.ts'
import type { WireStatus } from './status.ts'
import { RisingUuids } from './uuid.ts'
import { wireSize } from './wire-entry.ts'

export interface EntryDeps {
  readonly store: Store
  readonly clock: Clock
  /** What is live is told by the time of grants, which no leap of the wall clock moves: a clock an hour ahead hides nothing from a revocation. */
  readonly grantTimeMs: () => number
  readonly random: Random
  readonly log: Logger
  readonly rules: EntryRules
  readonly privileged: Pick<Privileged, 'check'>
  readonly limits: () => ServerLimits
}

/** How one item of a batch fared; `entry` is set when it was done, or when it exists already. */
export interface EntryOutcome {
  readonly id: string
  readonly status: WireStatus
  readonly entry?: Entry
}

/** An item whose reading threw fails alone: hence a function. */
export type Item<T> = () => T

/** An entry to be made; a UUID becomes its id when that is empty. */
export type NewEntry = Item<{ readonly id: string; readonly raw: RawEntry }>

/** SPIRE's command sends a whole file in one call. */
const maxItems = 20_000
/** What is checked and written at a time, so that others need not wait for all of it. */
const itemsAtOnce = 1_000
const defaultPageSize = 500
const maxPageSize = 1_000
/** Below the 4 MB that gRPC clients take. */
const maxPageBytes = 3_000_000

/** What callers do with entries, as many a second as each may, whichever service they use: one status an item, in their order. */
export class EntryOperations {
  readonly #deps: EntryDeps
  readonly #ids: RisingUuids
  readonly #quota: Quota

  constructor(deps: EntryDeps) {
    this.#deps = deps
    this.#ids = new RisingUuids(deps.random)
    this.#quota = new Quota(deps.clock, termsOf(deps.limits, 'entriesPerSecond'))
  }

  async create(items: readonly NewEntry[], caller: Caller): Promise<readonly EntryOutcome[]> {
    return await this.#batch(caller, items, (item) => this.#specOf(item, caller), (specs) => this.#deps.store.entries.create(specs, this.#actor(caller)))
  }

  /** What {@link create} would say of the items by themselves; whether one is there already is not looked at. */
  async check(items: readonly NewEntry[], caller: Caller): Promise<readonly EntryOutcome[]> {
    const nowMs = this.#deps.clock.nowMs()
    const sample = { createdAtSeconds: Math.floor(nowMs / 1_000), revision: 0, disabled: false }
    return await this.#batch(caller, items, (item) => this.#specOf(item, caller), async (specs) => specs.map((spec) => ({ ok: true, value: { ...spec, ...sample } })))
  }

  async update(items: readonly Item<{ readonly id: string; readonly raw: Partial<RawEntry> }>[], caller: Caller): Promise<readonly EntryOutcome[]> {
    return await this.#batch(
      caller,
      items,
      ({ id, raw }) => {
        const patch = checkPatch(id, raw, this.#deps.rules)
        this.#deps.privileged.check(caller, patch)
        return patch
      },
      (patches) => this.#deps.store.entries.update(patches, this.#actor(caller)),
    )
  }

  async delete(ids: readonly string[], caller: Caller): Promise<readonly EntryOutcome[]> {
    return await this.#batch(
      caller,
      ids.map((id) => () => ({ id })),
      ({ id }) => {
        const known = { id: checkEntryId(id) }
        this.#deps.privileged.check(caller, known)
        return known
      },
      (known) => this.#deps.store.entries.delete(known.map(({ id }) => id), this.#actor(caller)),
    )
  }

  /** A page that fits a message. @throws {MayflyError} PAGE_TOKEN_INVALID, INVALID_ARGUMENT */
  async list(filter: EntryFilter, pageSize: number, pageToken: string): Promise<PageOf<Entry>> {
    if (pageSize < 0) throw new MayflyError('INVALID_ARGUMENT', 'a page size is not negative')
    let size = pageSize === 0 ? defaultPageSize : Math.min(pageSize, maxPageSize)
    for (;;) {
      const page = await this.#deps.store.entries.list(filter, pageToken === '' ? { size } : { size, after: pageToken })
      const bytes = page.items.reduce((sum, entry) => sum + wireSize(entry), 0)
      if (bytes <= maxPageBytes || size === 1) return page
      size = Math.max(1, Math.floor((size * maxPageBytes) / bytes / 2))
    }
  }

  async count(filter: EntryFilter): Promise<number> {
    return await this.#deps.store.entries.count(filter)
  }

  /** @throws {MayflyError} NOT_FOUND, INVALID_ARGUMENT */
  async byId(id: string): Promise<Entry> {
    if (id === '') throw new MayflyError('INVALID_ARGUMENT', 'the id is missing')
    const entry = await this.#deps.store.entries.byId(id)
    if (entry === undefined) throw new MayflyError('NOT_FOUND', `no entry ${JSON.stringify(id.slice(0, 255))}`)
    return entry
  }

  async #batch<In, Checked extends { readonly id: string }>(
    caller: Caller,
    items: readonly Item<In & { readonly id: string }>[],
    check: (item: In & { readonly id: string }) => Checked,
    carryOut: (checked: readonly Checked[]) => Promise<readonly ItemResult<Entry>[]>,
  ): Promise<readonly EntryOutcome[]> {
    if (items.length > maxItems) throw new MayflyError('LIMIT_EXCEEDED', `a batch has at most ${maxItems} items, this one has ${items.length}`)
    if (items.length > 0) this.#quota.take(nameOf(caller), items.length)
    const outcomes: EntryOutcome[] = []
    for (let at = 0; at < items.length; at += itemsAtOnce) outcomes.push(...(await this.#piece(items.slice(at, at + itemsAtOnce), check, carryOut)))
    return outcomes
  }

  async #piece<In, Checked extends { readonly id: string }>(
    items: readonly Item<In & { readonly id: string }>[],
    check: (item: In & { readonly id: string }) => Checked,
    carryOut: (checked: readonly Checked[]) => Promise<readonly ItemResult<Entry>[]>,
  ): Promise<readonly EntryOutcome[]> {
    const outcomes: EntryOutcome[] = []
    const checked: { readonly at: number; readonly value: Checked }[] = []
    for (const [at, read] of items.entries()) {
      let id = ''
      try {
        const item = read()
        id = item.id
        checked.push({ at, value: check(item) })
      } catch (error) {
        outcomes[at] = { id, status: statusOfError(error, this.#deps.log) }
      }
    }
    const results = checked.length === 0 ? [] : await carryOut(checked.map(({ value }) => value))
    for (const [at, result] of results.entries()) {
      const item = checked[at]
      if (item !== undefined) outcomes[item.at] = outcomeOf(item.value.id, result)
    }
    return outcomes
  }

  #specOf({ id, raw }: { readonly id: string; readonly raw: RawEntry }, caller: Caller): EntrySpec & { readonly id: string } {
    const spec = checkEntry(raw, this.#deps.rules)
    this.#deps.privileged.check(caller, spec)
    return { ...spec, id: id === '' ? this.#ids.next(this.#deps.clock.nowMs()) : checkEntryId(id) }
  }

  #actor(caller: Caller): Actor {
    return { name: nameOf(caller), atMs: this.#deps.grantTimeMs() }
  }
}

function outcomeOf(id: string, result: ItemResult<Entry>): EntryOutcome {
  if (result.ok) return { id, status: ok, entry: result.value }
  return { id, status: statusOf(result.code, result.message), ...(result.existing === undefined ? {} : { entry: result.existing }) }
}
