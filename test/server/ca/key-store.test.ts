import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DiskKeyStore, MemoryKeyStore, type KeyStore } from '../../../server/ca/key-store.ts'
import * as files from '../../../src/system/files.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mf-'))
})
afterEach(async () => rm(folder, { recursive: true }))

const stores: readonly [string, () => Promise<KeyStore>][] = [
  ['on disk', async () => DiskKeyStore.open(join(folder, 'keys'), files)],
  ['in memory', async () => new MemoryKeyStore()],
]

describe.each(stores)('a key store %s', (_, open) => {
  test('gives back the key it made, until it is removed', async () => {
    const store = await open()
    const made = await store.create('authority-1', 'ec-p256')
    expect((await store.load('authority-1'))?.spki).toEqual(made.spki)
    await store.remove('authority-1')
    await store.remove('authority-1')
    expect(await store.load('authority-1')).toBeUndefined()
  })

  test('makes no key over another', async () => {
    const store = await open()
    await store.create('authority-1', 'ec-p256')
    await expect(store.create('authority-1', 'ec-p256')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  })

  test.each(['', '../key', 'a/b', 'A', 'a'.repeat(101)])('refuses the name %j', async (name) => {
    await expect((await open()).load(name)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('keys on disk', () => {
  test('are PKCS#8 of mode 0600 in a folder of mode 0700, and outlive the store', async () => {
    const made = await (await DiskKeyStore.open(join(folder, 'keys'), files)).create('authority-1', 'ec-p256')
    const path = join(folder, 'keys', 'authority-1.key.pem')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'keys'))).mode & 0o777).toBe(0o700)
    expect(await readFile(path, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
    expect((await (await DiskKeyStore.open(join(folder, 'keys'), files)).load('authority-1'))?.spki).toEqual(made.spki)
  })

  test('a damaged key file is an error and not a missing key, and the error does not quote it', async () => {
    const store = await DiskKeyStore.open(join(folder, 'keys'), files)
    await writeFile(join(folder, 'keys', 'bad.key.pem'), '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n')
    const error: unknown = await store.load('bad').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'CERTIFICATE_INVALID' })
    expect(inspect(error)).not.toMatch(/c2VjcmV0|secret/)
  })
})
