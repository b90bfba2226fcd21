import { join } from 'node:path'
import { MayflyError } from '../../src/core/errors.ts'
import type { ServerConfig } from '../config.ts'
import { DiskKeyStore, MemoryKeyStore, type KeyFiles, type KeyStore } from './key-store.ts'

export interface OpenKeyStoreDeps {
  readonly files: KeyFiles
  /** From the environment, where it was taken out; unset: it is in a file. */
  readonly tokenPin?: string | undefined
}

const maxPinBytes = 1_024

/** The keys of the authorities, where the configuration keeps them. @throws {MayflyError} CONFIG_INVALID, KEY_STORE_REFUSED, KEY_STORE_UNAVAILABLE */
export async function openKeyStore({ keyStorage, dataDir, pkcs11 }: Pick<ServerConfig, 'keyStorage' | 'dataDir' | 'pkcs11'>, deps: OpenKeyStoreDeps): Promise<KeyStore> {
  switch (keyStorage) {
    case 'disk':
      return await DiskKeyStore.open(join(dataDir, 'keys'), deps.files)
    case 'memory':
      return new MemoryKeyStore()
    case 'pkcs11': {
      if (pkcs11 === undefined) throw new MayflyError('CONFIG_INVALID', 'ca.pkcs11: keyStorage is pkcs11, and there is no token')
      const { Pkcs11KeyStore } = await import('./pkcs11/key-store.ts')
      return await Pkcs11KeyStore.open(pkcs11, deps.tokenPin ?? (await pinIn(pkcs11.pinFile, deps.files)))
    }
    default:
      return keyStorage satisfies never
  }
}

/** The first line of the file. */
async function pinIn(path: string | undefined, files: Pick<KeyFiles, 'readFileBounded'>): Promise<string> {
  let text: string | undefined
  try {
    const bytes = path === undefined ? undefined : await files.readFileBounded(path, maxPinBytes)
    text = bytes === undefined ? undefined : new TextDecoder().decode(bytes).split(/\r?\n/)[0]
  } catch (cause) {
    throw new MayflyError('CONFIG_INVALID', `ca.pkcs11.pinFile: ${path ?? ''} cannot be read`, { cause })
  }
  if (text === undefined || text === '') throw new MayflyError('CONFIG_INVALID', 'ca.pkcs11: there is no PIN', { hint: 'put it in a file of mode 0600 that ca.pkcs11.pinFile names, or in the variable that ca.pkcs11.pinEnv names (MAYFLY_PKCS11_PIN)' })
  return text
}
