import fc from 'fast-check'
import { expect } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCrl, crlEntry, parseCrl } from '../../src/x509/crl.ts'
import { byteEdits, derEdits, editBytes, editDer } from '../support/fuzz/der.ts'
import { fuzz, hexForm } from '../support/fuzz/fuzz.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'
import { authority, nowMs } from '../support/verify/certificates.ts'

const root = authority('root', { key: fixedKeys[0] })
const terms = { issuer: parseCertificate(root.der).subject, issuerKeyId: new Uint8Array(20), number: 7n, thisUpdateMs: nowMs, nextUpdateMs: nowMs + 86_400_000 }
const originals = [await buildCrl(terms, [], root.key), await buildCrl(terms, [crlEntry(Uint8Array.of(1, 2, 3), nowMs), crlEntry(Uint8Array.of(0x81, 9), nowMs, 'superseded')], root.key)]
const lists = fc.record({ original: fc.nat(originals.length - 1), edits: derEdits, bytes: byteEdits }).map(({ original, edits, bytes }) => editBytes(editDer(originals[original] ?? new Uint8Array(0), edits), bytes))

fuzz('crl', 'a list of another form is refused with a code, and what is read has a number that is none below zero', hexForm, lists, (der) => {
  try {
    expect(parseCrl(der).number).toBeGreaterThanOrEqual(0n)
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(error).toMatchObject({ status: 'INVALID_ARGUMENT' })
  }
})
