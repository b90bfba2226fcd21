import { moveAuthority, type AuthorityMove } from '../../../src/core/authority.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import type { Actor, Authority, AuthorityStore, EndResult } from '../../../server/store/port.ts'

/** An `AuthorityStore` in memory that keeps the rules of the port and can be told to fail. */
export class MemoryAuthorities implements AuthorityStore {
  readonly rows: Map<string, Authority> = new Map()
  /** Moves in the order they were made: `prepare:1a2b…`. */
  readonly history: string[] = []
  failing: boolean = false
  #sequence = 0

  async all(): Promise<readonly Authority[]> {
    return [...this.rows.values()]
  }

  async bundleSequence(): Promise<number> {
    return this.#sequence
  }

  async prepare(authority: Omit<Authority, 'state' | 'activatedAtMs'>, _by: Actor): Promise<void> {
    this.#write(`prepare:${authority.id}`)
    this.rows.set(authority.id, { ...authority, state: 'prepared' })
  }

  async activate(id: string, by: Actor): Promise<void> {
    this.#write(`activate:${id}`)
    for (const row of this.rows.values()) if (row.state === 'active') this.#move(row.id, 'retire')
    this.#move(id, 'activate')
    this.rows.set(id, { ...this.#byId(id), activatedAtMs: by.atMs })
  }

  async taint(id: string): Promise<void> {
    this.#write(`taint:${id}`)
    this.#move(id, 'taint')
  }

  async revoke(id: string, _by?: Actor, options: { readonly dryRun?: boolean } = {}): Promise<EndResult> {
    if (options.dryRun !== true) this.#end(id)
    return { hits: { credentials: 0, workloads: 0, owners: [], serials: [] }, streamSeq: 0 }
  }

  #end(id: string): void {
    this.#write(`revoke:${id}`)
    this.#move(id, 'revoke')
  }

  async remove(id: string): Promise<void> {
    this.#write(`remove:${id}`)
    if (!this.rows.delete(id)) throw new MayflyError('NOT_FOUND', 'no such authority')
  }

  #write(what: string): void {
    if (this.failing) throw new MayflyError('STORE_UNWRITABLE', 'told to fail')
    this.history.push(what)
    this.#sequence++
  }

  #byId(id: string): Authority {
    const row = this.rows.get(id)
    if (row === undefined) throw new MayflyError('NOT_FOUND', 'no such authority')
    return row
  }

  #move(id: string, move: AuthorityMove): void {
    const row = this.#byId(id)
    this.rows.set(id, { ...row, state: moveAuthority(row.state, move) })
  }
}
