import { lstat, mkdir, mkdtemp, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { MayflyError } from '../../core/errors.ts'
import { FileLock } from '../../system/file-lock.ts'

/** Names within the directory. */
export interface SvidFileNames {
  readonly svid: string
  readonly key: string
  readonly bundle: string
  readonly crl: string
  /** Certificates and key in one file, for programs that want it so; unset: none. */
  readonly combined?: string
}

/** PEM, as the files have it. */
export interface SvidFileTexts {
  readonly svid: string
  readonly key: string
  readonly bundle: string
  /** Unset: no such file. */
  readonly crl: string | undefined
}

export interface SvidFileSetOptions {
  readonly names: SvidFileNames
  /** May read the key too, and nobody but it and the owner may read anything; unset: the key is the owner's alone. */
  readonly groupId?: number
}

/** What leads to the files that hold now. */
const currentName = 'current'
const prefix = '.svid-'

/**
 * The files of one identity in one directory, all replaced together: each state of them is a folder of its own, on disk before `current` leads to it, and
 * `svid.pem` and the others lead through `current`. Whoever resolves `current` once and reads within sees files that belong together, whatever happens
 * meanwhile: a state stays until {@link tidy} after the next. One process at a time holds the directory.
 */
export class SvidFileSet implements Disposable {
  readonly directory: string
  readonly #options: SvidFileSetOptions
  readonly #lock: FileLock

  private constructor(directory: string, options: SvidFileSetOptions, lock: FileLock) {
    this.directory = directory
    this.#options = options
    this.#lock = lock
  }

  /** Makes the directory when there is none, of mode 0700, or 0750 for a group. @throws {MayflyError} CONFIG_INVALID; STORE_LOCKED another process keeps its files here */
  static async open(directory: string, options: SvidFileSetOptions): Promise<SvidFileSet> {
    checkNames(options.names)
    try {
      const made = await mkdir(directory, { recursive: true, mode: options.groupId === undefined ? 0o700 : 0o750 })
      if (made !== undefined && options.groupId !== undefined) await giveToGroup(directory, options.groupId, 0o750)
    } catch (cause) {
      throw new MayflyError('CONFIG_INVALID', `${directory} cannot be made`, { cause, hint: cause instanceof Error ? cause.message : 'name another' })
    }
    return new SvidFileSet(directory, options, FileLock.acquire(join(directory, '.lock')))
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]()
  }

  /** Where each file is, through `current`. */
  path(which: Exclude<keyof SvidFileNames, 'combined'>): string {
    return join(this.directory, this.#options.names[which])
  }

  /** Replaces all of them at once; they are on disk when it resolves. What fails leaves the state before as it was. */
  async write(texts: SvidFileTexts): Promise<void> {
    const files = this.#files(texts)
    const folder = await mkdtemp(join(this.directory, prefix))
    try {
      await giveToGroup(folder, this.#options.groupId, this.#options.groupId === undefined ? 0o755 : 0o750)
      for (const { name, text, mode } of files) await writeNew(join(folder, name), text, mode, this.#options.groupId)
      await sync(folder)
      await lead(join(this.directory, currentName), folder.slice(this.directory.length + 1))
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
    const names = new Set(files.map(({ name }) => name))
    for (const name of names) if ((await readlink(join(this.directory, name)).catch(() => '')) !== join(currentName, name)) await lead(join(this.directory, name), join(currentName, name))
    await this.#removeLinks((name) => !names.has(name))
    await sync(this.directory)
  }

  /** Removes the states before the one that holds. */
  async tidy(): Promise<void> {
    const holds = await readlink(join(this.directory, currentName)).catch(() => undefined)
    for (const name of await readdir(this.directory)) if (name.startsWith(prefix) && name !== holds) await rm(join(this.directory, name), { recursive: true, force: true })
  }

  /** Removes all files, keys first. Resolves with whether there were any. */
  async remove(): Promise<boolean> {
    const holds = await readlink(join(this.directory, currentName)).catch(() => undefined)
    await rm(join(this.directory, currentName), { force: true })
    await this.tidy()
    await this.#removeLinks(() => true)
    await sync(this.directory)
    return holds !== undefined
  }

  #files({ svid, key, bundle, crl }: SvidFileTexts): readonly { readonly name: string; readonly text: string; readonly mode: number }[] {
    const { names, groupId } = this.#options
    const [secret, open] = groupId === undefined ? [0o600, 0o644] : [0o640, 0o640]
    return [
      { name: names.key, text: key, mode: secret },
      { name: names.svid, text: svid, mode: open },
      { name: names.bundle, text: bundle, mode: open },
      ...(crl === undefined ? [] : [{ name: names.crl, text: crl, mode: open }]),
      ...(names.combined === undefined ? [] : [{ name: names.combined, text: `${svid}${key}`, mode: secret }]),
    ]
  }

  /** Those that lead through `current`, also of names that an earlier run gave them; nobody else's. */
  async #removeLinks(goes: (name: string) => boolean): Promise<void> {
    for (const name of await readdir(this.directory)) {
      const path = join(this.directory, name)
      if (!name.startsWith('.') && goes(name) && (await readlink(path).catch(() => undefined)) === join(currentName, name)) await rm(path, { force: true })
    }
  }
}

/** @throws {MayflyError} USAGE */
function checkNames(names: SvidFileNames): void {
  const given = Object.values(names).filter((name): name is string => name !== undefined)
  for (const name of given) {
    if (name.includes('/') || name.startsWith('.') || name === '' || name === currentName) throw new MayflyError('USAGE', `${JSON.stringify(name)} is no name for a file within the directory`, { hint: 'a plain name, such as tls.crt' })
  }
  if (new Set(given).size < given.length) throw new MayflyError('USAGE', 'two of the files have the same name', { hint: 'give each a name of its own' })
}

async function writeNew(path: string, text: string, mode: number, groupId: number | undefined): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  if (groupId !== undefined) await file.chown((await file.stat()).uid, groupId)
  await file.chmod(mode) // the umask does not decide
  await file.writeFile(text)
  await file.sync()
}

async function giveToGroup(path: string, groupId: number | undefined, mode: number): Promise<void> {
  await using folder = await open(path, 'r')
  if (groupId !== undefined) await folder.chown((await folder.stat()).uid, groupId)
  await folder.chmod(mode)
}

/** Makes a link, or lets one that is there lead elsewhere, in one step. A folder that is in its place is not replaced. */
async function lead(path: string, target: string): Promise<void> {
  const before = await lstat(path).catch(() => undefined)
  if (before?.isDirectory() === true) throw new MayflyError('CONFIG_INVALID', `${path} is a folder`, { hint: 'remove it, or name another directory' })
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  await symlink(target, temporary)
  await rename(temporary, path)
}

async function sync(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}
