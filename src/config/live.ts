import { MayflyError } from '../core/errors.ts'

/** The key in the file that each setting comes from, and whether a running process can take another value of it. */
export type SettingPaths<C> = { readonly [K in keyof C]: { readonly path: string; readonly live: boolean } }

/** What a second look at the file brought. Paths of keys, as `ca.x509SvidTtl`. */
export interface Reloaded {
  /** In force from now on. */
  readonly applied: readonly string[]
  /** Changed in the file, and waiting for a restart. */
  readonly waiting: readonly string[]
}

export interface Reloadable {
  /** Takes over what can change; names what cannot. A file with a problem changes nothing. @throws {MayflyError} CONFIG_INVALID with every problem, PRECONDITION_FAILED without a file */
  reload(): Reloaded
}

/** The configuration of a running process. What may change while it runs is read through {@link current} each time it is needed. */
export class LiveConfig<C extends object> implements Reloadable {
  readonly #read: (() => C) | undefined
  readonly #paths: SettingPaths<C>
  readonly #listeners = new Set<(current: C) => void>()
  readonly #reloadListeners = new Set<() => void>()
  #current: C

  /** @param read reads and checks the file again, flags and all; unset for a process without a file. @throws what is wrong with it */
  constructor(first: C, paths: SettingPaths<C>, read: (() => C) | undefined) {
    this.#current = first
    this.#paths = paths
    this.#read = read
  }

  get current(): C {
    return this.#current
  }

  /** Called after each reload that applied something; it must not throw. */
  onChange(listener: (current: C) => void): void {
    this.#listeners.add(listener)
  }

  /** Called after each reload, whatever it brought: for files that the configuration names. It must not throw. */
  onReload(listener: () => void): void {
    this.#reloadListeners.add(listener)
  }

  reload(): Reloaded {
    if (this.#read === undefined) throw new MayflyError('PRECONDITION_FAILED', 'this process was started without a configuration file: there is nothing to read again', { hint: 'start it with --config FILE' })
    const wanted = this.#read()
    const changed = keysOf(wanted).filter((key) => JSON.stringify(wanted[key]) !== JSON.stringify(this.#current[key]))
    const live = changed.filter((key) => this.#paths[key].live)
    if (live.length > 0) {
      this.#current = Object.freeze({ ...this.#current, ...Object.fromEntries(live.map((key) => [key, wanted[key]])) })
      for (const listener of this.#listeners) listener(this.#current)
    }
    for (const listener of this.#reloadListeners) listener()
    const pathsOf = (keys: readonly (keyof C)[]): readonly string[] => [...new Set(keys.map((key) => this.#paths[key].path))].toSorted()
    return { applied: pathsOf(live), waiting: pathsOf(changed.filter((key) => !this.#paths[key].live)) }
  }
}

function keysOf<C extends object>(value: C): readonly (keyof C)[] {
  return Object.keys(value) as (keyof C)[] // a configuration is a plain object with the keys of its type
}
