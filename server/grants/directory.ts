import { MayflyError } from '../../src/core/errors.ts'
import type { GrantRole } from '../../src/core/grant/grant.ts'
import type { Person, PolicyException } from '../store/grant-model.ts'
import type { ExceptionStore, OwnerStore, PeopleStore, RoleStore } from '../store/grant-port.ts'
import type { JournalStore } from '../store/port.ts'

export interface DirectoryStores {
  readonly roles: RoleStore
  readonly owners: OwnerStore
  readonly exceptions: ExceptionStore
  readonly people: PeopleStore
  readonly journal: JournalStore
}

/** Roles, owners, exceptions and people, read when they are first wanted and again after each change of them. What counts is looked at once more in the store's transactions. */
export class Directory implements Disposable {
  readonly #store: DirectoryStores
  readonly #following: Disposable
  readonly #listeners = new Set<() => void>()
  #roles: Promise<ReadonlyMap<string, GrantRole>> | undefined
  #owners: Promise<ReadonlySet<string>> | undefined
  #exceptions: Promise<readonly PolicyException[]> | undefined
  #people: Promise<readonly Person[]> | undefined

  constructor(store: DirectoryStores) {
    this.#store = store
    this.#following = store.journal.onCommit(({ records }) => {
      for (const { kind } of records) {
        if (kind.startsWith('role.')) this.#roles = undefined
        if (kind.startsWith('owner.')) this.#owners = undefined
        if (kind.startsWith('exception.')) this.#exceptions = undefined
        if (kind.startsWith('person.')) this.#people = undefined
      }
      if (records.some(({ kind }) => kind.startsWith('role.') || kind.startsWith('exception.'))) for (const listener of this.#listeners) listener()
    })
  }

  /** Called after each change of a role or an exception. It must not throw. */
  onTermsChange(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** By name. */
  async roles(): Promise<ReadonlyMap<string, GrantRole>> {
    const reading = (this.#roles ??= this.#store.roles.all().then((roles) => new Map(roles.map((role) => [role.name, role]))))
    return await this.#kept(reading, () => this.#roles === reading && (this.#roles = undefined))
  }

  /** @throws {MayflyError} ROLE_UNKNOWN */
  async role(name: string): Promise<GrantRole> {
    const role = (await this.roles()).get(name)
    if (role === undefined) throw new MayflyError('ROLE_UNKNOWN', `no grant role ${JSON.stringify(name.slice(0, 64))}`, { hint: 'mayfly role list' })
    return role
  }

  /** Whether the owner is registered and was not removed. */
  async isOwner(name: string): Promise<boolean> {
    const reading = (this.#owners ??= this.#store.owners.all().then((owners) => new Set(owners.filter(({ removed }) => !removed).map((owner) => owner.name))))
    return (await this.#kept(reading, () => this.#owners === reading && (this.#owners = undefined))).has(name)
  }

  /** Those past their review too. */
  async exceptions(): Promise<readonly PolicyException[]> {
    const reading = (this.#exceptions ??= this.#store.exceptions.all())
    return await this.#kept(reading, () => this.#exceptions === reading && (this.#exceptions = undefined))
  }

  /** Everybody registered. */
  async people(): Promise<readonly Person[]> {
    const reading = (this.#people ??= this.#store.people.all())
    return await this.#kept(reading, () => this.#people === reading && (this.#people = undefined))
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]()
  }

  /** What could not be read is read again by the next. */
  async #kept<T>(reading: Promise<T>, forget: () => unknown): Promise<T> {
    try {
      return await reading
    } catch (error) {
      forget()
      throw error
    }
  }
}
