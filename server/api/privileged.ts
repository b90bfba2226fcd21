import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { IndexedEntry } from '../registry/entry-index.ts'
import type { Admins } from './admins.ts'
import { rolesOf, type Standing } from './authorization.ts'
import type { Caller } from './caller.ts'

export interface PrivilegedDeps {
  readonly entries: { byId(id: string): IndexedEntry | undefined; withSpiffeId(id: SpiffeId): readonly IndexedEntry[]; isAbove(id: SpiffeId, what: (entry: IndexedEntry) => boolean): boolean }
  readonly admins: Pick<Admins, 'ofId'>
  readonly standing: Pick<Standing, 'rolesOf'>
}

/** As much of an entry as there is to look at. */
export interface EntryWish {
  /** Of the entry that is changed or deleted. */
  readonly id?: string | undefined
  readonly spiffeId?: SpiffeId | undefined
  readonly admin?: boolean | undefined
  readonly downstream?: boolean | undefined
}

/** Who registers cannot make themselves more than that: what makes administrators or servers further down, and what stands above it, is root's alone to register. */
export class Privileged {
  readonly #deps: PrivilegedDeps

  constructor(deps: PrivilegedDeps) {
    this.#deps = deps
  }

  /** @throws {MayflyError} PERMISSION_DENIED */
  check(caller: Caller, { id, spiffeId, admin = false, downstream = false }: EntryWish): void {
    if (rolesOf(caller, this.#deps.standing).has('root')) return
    const present = id === undefined ? undefined : this.#deps.entries.byId(id)
    const ids = [spiffeId, present?.spiffeId].filter((one) => one !== undefined)
    if (!admin && !downstream && !(present !== undefined && this.#gives(present)) && !ids.some((one) => this.#leads(one))) return
    throw new MayflyError('PERMISSION_DENIED', `only an administrator with the role root registers what administers, issues or stands above that${spiffeId === undefined ? '' : `: ${spiffeId}`}`, { hint: 'another SPIFFE ID, or somebody with the role root' })
  }

  /** The ID gives such rights by itself, or agents and workloads with it are given one that does. */
  #leads(id: SpiffeId): boolean {
    const { entries, admins } = this.#deps
    return admins.ofId(id) !== undefined || entries.withSpiffeId(id).some((entry) => this.#gives(entry)) || entries.isAbove(id, (entry) => this.#gives(entry))
  }

  #gives({ admin, downstream, spiffeId }: IndexedEntry): boolean {
    return admin || downstream || this.#deps.admins.ofId(spiffeId) !== undefined
  }
}
