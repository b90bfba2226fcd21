import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/core/bytes.ts'
import { derSequence } from '../../src/core/der/writer.ts'
import { keyTypes } from '../../src/core/key-type.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { parseCsr, verifyCsr } from '../../src/x509/csr.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { x509Vectors } from '../support/x509-vectors.ts'

const key = PrivateKey.generate()
const csr = buildCsr(key, { uris: ['spiffe://example.test/web'], dns: ['web.example.test'] })

describe('a signing request', () => {
  test('proves its key and carries its names', () => {
    expect(verifyCsr(csr)).toEqual({
      spki: key.spki,
      keyKind: 'P-256',
      publicKeyHash: sha256(key.spki),
      uriSans: ['spiffe://example.test/web'],
      dnsSans: ['web.example.test'],
      subject: Uint8Array.of(0x30, 0),
    })
  })

  test('needs no names', () => {
    expect(verifyCsr(buildCsr(key))).toMatchObject({ uriSans: [], dnsSans: [] })
  })

  test.each(x509Vectors('requests'))('$name made elsewhere: accepted $accepted', ({ der, accepted }) => {
    if (accepted) expect(verifyCsr(der).publicKeyHash).toHaveLength(32)
    else expect(() => verifyCsr(der)).toThrow(expect.objectContaining({ code: 'CSR_INVALID' }))
  })

  test('with another’s public key is refused', () => {
    const theirs = PrivateKey.generate()
    const forged = Buffer.from(csr)
    forged.set(theirs.spki, forged.indexOf(Buffer.from(key.spki)))
    expect(() => verifyCsr(forged)).toThrow('not by its own key')
  })

  test('with a point off its curve is refused', () => {
    const forged = Buffer.from(csr)
    const at = forged.indexOf(Buffer.from(key.spki)) + key.spki.length - 1
    forged[at] = (forged[at] ?? 0) ^ 1
    expect(() => verifyCsr(forged)).toThrow(expect.objectContaining({ code: 'CSR_INVALID' }))
  })

  test.each([
    ['nothing', new Uint8Array(0)],
    ['a byte too many', concatBytes(csr, Uint8Array.of(0))],
    ['a byte too few', csr.subarray(0, -1)],
    ['more than 64 KiB', derSequence(new Uint8Array(65_536))],
  ])('%s is refused', (_, der) => {
    expect(() => parseCsr(der)).toThrow(expect.objectContaining({ code: 'CSR_INVALID' }))
  })

  test('no other byte proves the key: every change is refused, with one code', () => {
    fc.assert(
      fc.property(fc.nat(csr.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = csr.slice()
        changed[at] = (changed[at] ?? 0) ^ flip
        expect(() => verifyCsr(changed)).toThrow(expect.objectContaining({ code: 'CSR_INVALID' }))
      }),
      { numRuns: 500 },
    )
  })

  test('is built for each kind of key that a server takes, and for no other', async () => {
    for (const type of keyTypes) {
      const made = await PrivateKey.create(type)
      expect(verifyCsr(buildCsr(made, { uris: ['spiffe://a.test/b'] }))).toMatchObject({ keyKind: made.kind, uriSans: ['spiffe://a.test/b'] })
    }
    expect(() => buildCsr(PrivateKey.generate('Ed25519'))).toThrow(expect.objectContaining({ code: 'CSR_INVALID' }))
  })
})

describe('a private key', () => {
  test('survives its file form', () => {
    expect(PrivateKey.fromPem(key.toPem()).spki).toEqual(key.spki)
    expect(PrivateKey.fromPkcs8(key.toPkcs8()).toPem()).toBe(key.toPem())
  })

  test('does not print itself', () => {
    const printed = [JSON.stringify({ key }), inspect({ key }), String(key)].join()
    expect(printed).toBe('{"key":"[secret]"},{ key: [secret] },[secret]')
  })
})
