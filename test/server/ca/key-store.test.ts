import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DiskKeyStore, MemoryKeyStore } from '../../../server/ca/key-store.ts'
import * as files from '../../../src/system/files.ts'
import { keyStoreContract } from '../../support/ca/key-store-contract.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mf-'))
})
afterEach(async () => rm(folder, { recursive: true }))

keyStoreContract('on disk', async () => DiskKeyStore.open(join(folder, 'keys'), files))
keyStoreContract('in memory', async () => new MemoryKeyStore())

describe('keys on disk', () => {
  test('are PKCS#8 of mode 0600 in a folder of mode 0700, and outlive the store', async () => {
    const made = await (await DiskKeyStore.open(join(folder, 'keys'), files)).create('authority-1', 'ec-p256')
    const path = join(folder, 'keys', 'authority-1.key.pem')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'keys'))).mode & 0o777).toBe(0o700)
    expect(await readFile(path, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
    expect((await (await DiskKeyStore.open(join(folder, 'keys'), files)).load('authority-1'))?.spki).toEqual(made.spki)
  })

  test('a key that could not be written is told as such, with what the system said', async () => {
    const full = { ...files, writeFileAtomic: async () => Promise.reject(Object.assign(new Error('no space left on device, write'), { code: 'ENOSPC' })) }
    const store = await DiskKeyStore.open(join(folder, 'keys'), full)
    await expect(store.create('authority-1', 'ec-p256')).rejects.toMatchObject({ code: 'STORE_UNWRITABLE', message: expect.stringContaining('ENOSPC') })
    expect(await store.load('authority-1')).toBeUndefined()
  })

  test('a damaged key file is an error and not a missing key, and the error does not quote it', async () => {
    const store = await DiskKeyStore.open(join(folder, 'keys'), files)
    await writeFile(join(folder, 'keys', 'bad.key.pem'), '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n')
    const error: unknown = await store.load('bad').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'CERTIFICATE_INVALID' })
    expect(inspect(error)).not.toMatch(/c2VjcmV0|secret/)
  })
})
