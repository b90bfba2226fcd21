import { describe, expect, test } from 'vitest'
import type { KeyStore } from '../../../server/ca/key-store.ts'
import { keyTypes } from '../../../src/core/key-type.ts'
import { verifyPlain } from '../../../src/x509/signature.ts'
import { importPublicKey } from '../../../src/x509/spki.ts'

/** What every key store keeps to, wherever its keys lie. `open` gives an empty one, closed by the test. */
export function keyStoreContract(what: string, open: () => Promise<KeyStore>): void {
  describe(`a key store ${what}`, () => {
    test('makes each type of key, and what it signs verifies by the algorithm of its kind', async () => {
      await using store = await open()
      for (const type of keyTypes) {
        const name = `authority-${type}`
        const key = await store.create(name, type)
        expect(key.kind).toBe({ 'ec-p256': 'P-256', 'ec-p384': 'P-384', 'rsa-2048': 'RSA', 'rsa-4096': 'RSA' }[type])
        const data = new Uint8Array(1_000).fill(7)
        expect(verifyPlain(importPublicKey(key.spki), key.kind, data, await key.sign(data))).toBe(true)
        expect(verifyPlain(importPublicKey(key.spki), key.kind, data.subarray(1), await key.sign(data))).toBe(false)
        expect((await store.load(name))?.spki).toEqual(key.spki)
        await store.remove(name)
      }
    })

    test('gives back the key it made, until it is removed', async () => {
      await using store = await open()
      const made = await store.create('authority-1', 'ec-p256')
      const loaded = await store.load('authority-1')
      const data = Uint8Array.of(1, 2, 3)
      expect(loaded?.spki).toEqual(made.spki)
      expect(verifyPlain(importPublicKey(made.spki), 'P-256', data, (await loaded?.sign(data)) ?? new Uint8Array(0))).toBe(true)
      await store.remove('authority-1')
      await store.remove('authority-1')
      expect(await store.load('authority-1')).toBeUndefined()
    })

    test('keeps keys apart, and signs for many at once', async () => {
      await using store = await open()
      const keys = await Promise.all(['a', 'b'].map((name) => store.create(`authority-${name}`, 'ec-p256')))
      const signed = await Promise.all(Array.from({ length: 40 }, async (_, at) => {
        const key = keys[at % 2]
        const data = Uint8Array.of(at)
        return key !== undefined && verifyPlain(importPublicKey(key.spki), key.kind, data, await key.sign(data))
      }))
      expect(signed.every(Boolean)).toBe(true)
      for (const name of ['a', 'b']) await store.remove(`authority-${name}`)
    })

    test('makes no key over another', async () => {
      await using store = await open()
      const first = await store.create('authority-1', 'ec-p256')
      await expect(store.create('authority-1', 'ec-p256')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      expect((await store.load('authority-1'))?.spki).toEqual(first.spki)
      await store.remove('authority-1')
    })

    test.each(['', '../key', 'a/b', 'A', 'a'.repeat(101)])('refuses the name %j', async (name) => {
      await using store = await open()
      await expect(store.load(name)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(store.create(name, 'ec-p256')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })
  })
}
