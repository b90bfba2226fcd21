import { rootAlone, type AdminRole } from '../../src/core/admin-role.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'

/** An administrator by name, with less than everything. */
export interface NamedAdmin {
  /** Of a user of this machine; or {@link NamedAdmin.spiffeId}. */
  readonly uid: number | undefined
  readonly spiffeId: SpiffeId | undefined
  readonly roles: readonly AdminRole[]
}

/** Who administers, as the configuration has it. */
export class Admins {
  readonly #byUid: ReadonlyMap<number, ReadonlySet<AdminRole>>
  readonly #byId: ReadonlyMap<SpiffeId, ReadonlySet<AdminRole>>

  /** @param rootUids may do everything */
  constructor({ rootUids, named }: { readonly rootUids: readonly number[]; readonly named: readonly NamedAdmin[] }) {
    this.#byUid = new Map([...rootUids.map((uid): [number, ReadonlySet<AdminRole>] => [uid, rootAlone]), ...named.flatMap(({ uid, roles }): [number, ReadonlySet<AdminRole>][] => (uid === undefined ? [] : [[uid, new Set(roles)]]))])
    this.#byId = new Map(named.flatMap(({ spiffeId, roles }): [SpiffeId, ReadonlySet<AdminRole>][] => (spiffeId === undefined ? [] : [[spiffeId, new Set(roles)]])))
  }

  /** `undefined` for a user who may not administer. */
  ofUid(uid: number): ReadonlySet<AdminRole> | undefined {
    return this.#byUid.get(uid)
  }

  /** Of an ID that is named; `undefined` for others, which an entry may make administrators. */
  ofId(id: SpiffeId): ReadonlySet<AdminRole> | undefined {
    return this.#byId.get(id)
  }

  get uids(): readonly number[] {
    return [...this.#byUid.keys()]
  }
}
