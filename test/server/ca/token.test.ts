import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { curveParameters, ecdsaSignature, ellipticSpki, rsaSpki } from '../../../server/ca/pkcs11/public-key.ts'
import { Token, type TokenConfig } from '../../../server/ca/pkcs11/token.ts'
import { FakeToken } from '../../support/ca/fake-token.ts'

const config: TokenConfig = { module: '/none.so', token: 'token', slot: undefined, labelPrefix: 'mayfly-' }
let fake: FakeToken
let token: Token
beforeEach(() => {
  fake = new FakeToken('1234')
  token = new Token(fake, config, '1234')
})

describe('a token', () => {
  test('whose session is lost is opened anew, once for each call, and the caller does not notice', () => {
    const spki = token.create('a', 'ec-p256')
    for (const lost of ['CKR_SESSION_HANDLE_INVALID', 'CKR_DEVICE_REMOVED', 'CKR_USER_NOT_LOGGED_IN']) {
      fake.lost = lost
      expect(token.sign('a', Uint8Array.of(1)).length).toBeGreaterThan(60)
    }
    expect(fake.logins).toBe(4)
    expect(token.load('a')).toEqual(spki)
  })

  test('that is gone is unavailable until it is back', () => {
    token.create('a', 'ec-p256')
    fake.labels = []
    fake.lost = 'CKR_DEVICE_REMOVED'
    expect(() => token.sign('a', Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'KEY_STORE_UNAVAILABLE' }))
    expect(() => token.load('a')).toThrow(expect.objectContaining({ code: 'KEY_STORE_UNAVAILABLE' }))
    fake.labels = ['token']
    expect(token.sign('a', Uint8Array.of(1)).length).toBeGreaterThan(60)
  })

  test('that refuses a PIN is not asked again', () => {
    const wrong = new Token(fake, config, '9999')
    for (let attempt = 0; attempt < 3; attempt++) expect(() => wrong.load('a')).toThrow(expect.objectContaining({ code: 'KEY_STORE_REFUSED' }))
    expect(fake.logins).toBe(1)
  })

  test('must be one of its label; its slot tells two apart', () => {
    fake.labels = ['token', 'token']
    expect(() => token.load('a')).toThrow(expect.objectContaining({ code: 'KEY_STORE_REFUSED' }))
    expect(new Token(fake, { ...config, token: undefined, slot: 1 }, '1234').load('a')).toBeUndefined()
  })

  test('that cannot do what is asked says which, and quotes no PIN', () => {
    fake.lost = undefined
    token.load('a')
    fake.lost = 'CKR_MECHANISM_INVALID'
    const error: unknown = (() => {
      try {
        return token.create('a', 'ec-p256')
      } catch (reason) {
        return reason
      }
    })()
    expect(error).toMatchObject({ code: 'KEY_STORE_REFUSED', message: expect.stringContaining('CKR_MECHANISM_INVALID') as string })
    expect(JSON.stringify(error)).not.toContain('1234')
  })

  test('does not have a key any more that was removed', () => {
    token.create('a', 'ec-p256')
    token.remove('a')
    token.remove('a')
    expect(token.load('a')).toBeUndefined()
    expect(() => token.sign('a', Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'KEY_STORE_UNAVAILABLE' }))
  })
})

describe('what a token gives', () => {
  test('a point, wrapped as the standard says or bare, is the public key', () => {
    for (const [namedCurve, type, bytes] of [['P-256', 'ec-p256', 65], ['P-384', 'ec-p384', 97]] as const) {
      const spki = generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'der' })
      const point = spki.subarray(-bytes)
      for (const given of [point, Buffer.concat([Buffer.from([4, bytes]), point])]) expect(Buffer.from(ellipticSpki(curveParameters(type), given))).toEqual(spki)
    }
    expect(() => ellipticSpki(curveParameters('ec-p256'), Uint8Array.of(9, 9))).toThrow(expect.objectContaining({ code: 'CERTIFICATE_INVALID' }))
  })

  test('modulus and exponent are the public key', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
    expect(Buffer.from(rsaSpki(Buffer.from(n, 'base64url'), Buffer.from(e, 'base64url')))).toEqual(publicKey.export({ type: 'spki', format: 'der' }))
  })

  test('r and s are the signature that X.509 carries, whatever their leading bytes', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const publicKey = createPublicKey(privateKey)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
        expect(verify('sha256', data, publicKey, ecdsaSignature(raw))).toBe(true)
      }),
      { numRuns: 600 }, // about two of them have an r that begins with a zero byte
    )
    for (const bytes of [0, 1, 63, 31]) expect(() => ecdsaSignature(new Uint8Array(bytes))).toThrow(expect.objectContaining({ code: 'KEY_STORE_REFUSED' }))
  })
})
