import { join } from 'node:path'
import { MayflyError } from '../../src/core/errors.ts'
import type { KeyType } from '../../src/core/key-type.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import type { SigningKey } from '../../src/x509/signing-key.ts'

/** Keeps the keys of authorities, by name: `[a-z0-9-]{1,100}`. Whether a key can be had out of it is its own affair: a {@link SigningKey} signs. */
export interface KeyStore extends AsyncDisposable {
  /** Makes a key; it is kept for good when this resolves. @throws {MayflyError} ALREADY_EXISTS, STORE_UNWRITABLE, KEY_STORE_UNAVAILABLE, KEY_STORE_REFUSED */
  create(name: string, type: KeyType): Promise<SigningKey>
  /** `undefined` when there is none, as after a restart of a store in memory. @throws {MayflyError} CERTIFICATE_INVALID when it is damaged, KEY_STORE_UNAVAILABLE, KEY_STORE_REFUSED */
  load(name: string): Promise<SigningKey | undefined>
  /** Idempotent. @throws {MayflyError} KEY_STORE_UNAVAILABLE */
  remove(name: string): Promise<void>
}

/** What the store on disk needs of a file system; `src/system/files.ts` is the real one. */
export interface KeyFiles {
  privateDirectory(path: string): Promise<void>
  writeFileAtomic(path: string, content: string, mode: number): Promise<void>
  readFileBounded(path: string, maxBytes: number): Promise<Uint8Array | undefined>
  removeFile(path: string): Promise<void>
}

const maxKeyFileBytes = 16_384

/** Keys as PKCS#8 PEM files of mode 0600, in a folder of mode 0700, written atomically. */
export class DiskKeyStore implements KeyStore {
  readonly #folder: string
  readonly #files: KeyFiles

  private constructor(folder: string, files: KeyFiles) {
    this.#folder = folder
    this.#files = files
  }

  static async open(folder: string, files: KeyFiles): Promise<DiskKeyStore> {
    await files.privateDirectory(folder)
    return new DiskKeyStore(folder, files)
  }

  async create(name: string, type: KeyType): Promise<PrivateKey> {
    if ((await this.load(name)) !== undefined) throw keyExists(name)
    const key = await PrivateKey.create(type)
    try {
      await this.#files.writeFileAtomic(this.#pathOf(name), key.toPem(), 0o600)
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
      throw new MayflyError('STORE_UNWRITABLE', `the key of the authority could not be written${why}: nothing was done`, { cause: error, hint: 'is the disk of the data folder full or read-only?' })
    }
    return key
  }

  async load(name: string): Promise<PrivateKey | undefined> {
    const content = await this.#files.readFileBounded(this.#pathOf(name), maxKeyFileBytes)
    return content === undefined ? undefined : PrivateKey.fromPem(new TextDecoder().decode(content))
  }

  async remove(name: string): Promise<void> {
    await this.#files.removeFile(this.#pathOf(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // nothing is open
  }

  #pathOf(name: string): string {
    return join(this.#folder, `${checkKeyName(name)}.key.pem`)
  }
}

/** Keys that end with the process. */
export class MemoryKeyStore implements KeyStore {
  readonly #keys = new Map<string, PrivateKey>()

  async create(name: string, type: KeyType): Promise<PrivateKey> {
    if (this.#keys.has(checkKeyName(name))) throw keyExists(name)
    const key = await PrivateKey.create(type)
    this.#keys.set(name, key)
    return key
  }

  async load(name: string): Promise<PrivateKey | undefined> {
    return this.#keys.get(checkKeyName(name))
  }

  async remove(name: string): Promise<void> {
    this.#keys.delete(checkKeyName(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#keys.clear()
  }
}

function keyExists(name: string): MayflyError {
  return new MayflyError('ALREADY_EXISTS', `there is a key named ${name}`)
}

/** @throws {MayflyError} INVALID_ARGUMENT */
export function checkKeyName(name: string): string {
  if (!/^[a-z0-9-]{1,100}$/.test(name)) throw new MayflyError('INVALID_ARGUMENT', 'a key has a name of a-z, 0-9 and -')
  return name
}
