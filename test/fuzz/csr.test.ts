import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { expect } from 'vitest'
import { derOid } from '../../src/core/der/oid.ts'
import { derBitString, derSequence } from '../../src/core/der/writer.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { parseCsr, verifyCsr } from '../../src/x509/csr.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'
import { oid } from '../../src/x509/oids.ts'
import { byteEdits, derEdits, editBytes, editDer, partsOf } from '../support/fuzz/der.ts'
import { fuzz, hexForm } from '../support/fuzz/fuzz.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'

const [key, other] = fixedKeys
const originals = [buildCsr(key), buildCsr(key, { uris: ['spiffe://example.org/web'], dns: ['web.internal'] }), buildCsr(other, { uris: ['spiffe://example.org/db'] })]

/** Some are signed again after the change, so that they come as far as what is behind the signature. */
const requests = fc
  .record({ original: fc.nat(originals.length - 1), edits: derEdits, again: fc.boolean(), bytes: byteEdits })
  .map(({ original, edits, again, bytes }) => {
    const der = originals[original] ?? new Uint8Array(0)
    return editBytes(again ? signedAgain(editDer(partsOf(der)[0] ?? der, edits)) : editDer(der, edits), bytes)
  })

function signedAgain(info: Uint8Array): Uint8Array {
  return derSequence(info, derSequence(derOid(oid.ecdsaWithSha256)), derBitString(key.sign(info)))
}

fuzz('csr', 'no request makes the parser throw anything but CSR_INVALID, and one that is proven is proven by the key it names', hexForm, requests, (der) => {
  let proven
  try {
    proven = verifyCsr(der)
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(error).toMatchObject({ code: 'CSR_INVALID' })
    return
  }
  const signed = partsOf(der)[0] ?? new Uint8Array(0)
  const isOriginal = originals.some((original) => Buffer.from(partsOf(original)[0] ?? []).equals(signed))
  // A signature was made by this test's keys alone: what is proven is an original's signed part, or one that was signed again with `key`.
  if (!isOriginal) expect(Buffer.from(proven.spki).equals(key.spki)).toBe(true)
  expect(Buffer.from(proven.publicKeyHash).equals(sha256(proven.spki))).toBe(true)
  expect(createPublicKey({ key: Buffer.from(proven.spki), format: 'der', type: 'spki' }).asymmetricKeyType).toBe('ec')
  expect(Buffer.from(der).includes(Buffer.from(proven.spki))).toBe(true)
  for (const name of [...proven.uriSans, ...proven.dnsSans]) expect(Buffer.from(der).includes(Buffer.from(name, 'latin1'))).toBe(true)
  expect(parseCsr(der).signature.length).toBeGreaterThan(0)
})
