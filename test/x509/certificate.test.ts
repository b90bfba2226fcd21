import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/core/bytes.ts'
import { derBoolean, derOctetString, derSequence, derSet, derUnsigned, derValue } from '../../src/core/der/writer.ts'
import { derOid } from '../../src/core/der/oid.ts'
import { tag } from '../../src/core/der/tag.ts'
import { isValidAt, parseCertificate } from '../../src/x509/certificate.ts'
import { keyUsageBit } from '../../src/x509/extensions.ts'
import { commonNameOf, derName } from '../../src/x509/name.ts'
import { oid } from '../../src/x509/oids.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { authority, certificate, ext, extension, leaf, nowMs, type CertificateFields } from '../support/verify/certificates.ts'
import { x509Vectors } from '../support/x509-vectors.ts'

const root = authority('root')
const good = leaf(root)

describe('the certificate reader', () => {
  test('takes a certificate apart as Node’s own does', () => {
    for (const { der } of x509Vectors('certificates')) {
      const ours = parseCertificate(der)
      const theirs = new X509Certificate(der)
      expect(Buffer.from(ours.serial).toString('hex').toUpperCase()).toBe(theirs.serialNumber)
      expect(ours.notBeforeMs).toBe(theirs.validFromDate.getTime())
      expect(ours.notAfterMs).toBe(theirs.validToDate.getTime())
      expect(ours.extensions.basicConstraints?.ca ?? false).toBe(theirs.ca)
      expect(`URI:${ours.extensions.subjectAltName?.uris.join()}`).toBe(theirs.subjectAltName)
    }
  })

  test('reads what a leaf says', () => {
    const { extensions, subjectIsEmpty, spki } = parseCertificate(good.der)
    expect(subjectIsEmpty).toBe(true)
    expect(spki).toEqual(good.key.spki)
    expect(extensions.keyUsage).toEqual({ bits: keyUsageBit.digitalSignature, critical: true })
    expect(extensions.extKeyUsage?.oids).toEqual([oid.serverAuth, oid.clientAuth])
    expect(extensions.unknownCritical).toEqual([])
  })

  test('lists critical extensions it does not know, and others apart from them', () => {
    const parsed = parseCertificate(leaf(root, { extensions: { a: ext.unknown(true), b: extension('1.3.6.1.4.1.99999.2', false, derSequence()) } }).der)
    expect(parsed.extensions.unknownCritical).toEqual(['1.3.6.1.4.1.99999.1'])
    expect([...parsed.extensions.unknown.keys()]).toEqual(['1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.2'])
  })

  test('reads every kind of name, and counts those of other kinds', () => {
    const names = derSequence(derValue(0x86, ascii('spiffe://a.test/b')), derValue(0x82, ascii('a.test')), derValue(0x87, Uint8Array.of(127, 0, 0, 1)), derValue(0x87, new Uint8Array(16)), derValue(0x81, ascii('a@b.test')), derValue(0x88, Uint8Array.of(42)), derValue(0xa4, derSequence()))
    const { subjectAltName } = parseCertificate(leaf(root, { extensions: { names: extension(oid.subjectAltName, true, names) } }).der).extensions
    expect(subjectAltName).toEqual({ uris: ['spiffe://a.test/b'], dns: ['a.test'], ips: ['127.0.0.1', '0:0:0:0:0:0:0:0'], emails: ['a@b.test'], others: 2, critical: true })
  })

  const bad: readonly [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['a byte too many', concatBytes(good.der, Uint8Array.of(0))],
    ['more than 64 KiB', derSequence(new Uint8Array(65_536))],
    ['an extension twice', made({ extensions: [ext.keyUsage(1), ext.keyUsage(1)] })],
    ['a negative serial', patched(good.fields, Uint8Array.of(0x02, 0x01, 0x03), Uint8Array.of(0x02, 0x01, 0x83), { serial: Uint8Array.of(3) })],
    ['a serial of 21 octets', made({ serial: new Uint8Array(21).fill(1) })],
    ['a serial of 20 octets whose first bit is set', made({ serial: new Uint8Array(20).fill(0xff) })],
    ['an explicit critical FALSE', made({ extensions: [derSequence(derOid(oid.keyUsage), derBoolean(false), derOctetString(Uint8Array.of(3, 2, 7, 0x80)))] })],
    ['an explicit cA FALSE', made({ extensions: [extension(oid.basicConstraints, true, derSequence(derBoolean(false)))] })],
    ['a path length without cA', made({ extensions: [extension(oid.basicConstraints, true, derSequence(derUnsigned(Uint8Array.of(1))))] })],
    ['key usage without a bit', made({ extensions: [extension(oid.keyUsage, true, Uint8Array.of(3, 1, 0))] })],
    ['an empty list of usages', made({ extensions: [extension(oid.extKeyUsage, false, derSequence())] })],
    ['an empty subjectAltName', made({ extensions: [extension(oid.subjectAltName, true, derSequence())] })],
    ['a URI with a control character', made({ extensions: [extension(oid.subjectAltName, true, derSequence(derValue(0x86, Uint8Array.of(0x61, 0x00, 0x62))))] })],
    ['a URI outside ASCII', made({ extensions: [extension(oid.subjectAltName, true, derSequence(derValue(0x86, Uint8Array.of(0xc3, 0xa4))))] })],
    ['an IP address of 5 octets', made({ extensions: [extension(oid.subjectAltName, true, derSequence(derValue(0x87, new Uint8Array(5))))] })],
    ['something behind an extension’s value', made({ extensions: [extension(oid.subjectKeyIdentifier, false, concatBytes(derOctetString(Uint8Array.of(1)), Uint8Array.of(0)))] })],
  ]
  test.each(bad)('refuses %s', (_, der) => {
    expect(() => parseCertificate(der)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^(CERTIFICATE|DER)_INVALID$/) }))
  })

  test('refuses different algorithms inside and outside', () => {
    const der = good.der.slice()
    const at = Buffer.from(der).lastIndexOf(Buffer.from([0x04, 0x03, 0x02]))
    der[at + 2] = 3 // outside: ecdsa-with-SHA384
    expect(() => parseCertificate(der)).toThrow('signature algorithms differ')
  })

  test('says the same whether a certificate is alone in its buffer or not', () => {
    const padded = concatBytes(new Uint8Array(7), good.der, new Uint8Array(9)).subarray(7, 7 + good.der.length)
    expect(parseCertificate(padded)).toEqual(parseCertificate(good.der))
  })

  test('throws its two codes and nothing else, whichever byte is changed', () => {
    fc.assert(
      fc.property(fc.nat(good.der.length - 1), fc.nat(255), (at, byte) => {
        const der = good.der.slice()
        der[at] = byte
        try {
          parseCertificate(der)
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^(CERTIFICATE|DER)_INVALID$/) })
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('both ends of the validity are included', () => {
    const { notBeforeMs, notAfterMs } = parseCertificate(good.der)
    expect([notBeforeMs - 1, notBeforeMs, nowMs, notAfterMs, notAfterMs + 1].map((ms) => isValidAt(parseCertificate(good.der), ms))).toEqual([false, true, true, true, false])
  })
})

describe('signatures', () => {
  test.each(x509Vectors('certificates'))('$name made elsewhere: accepted $accepted', ({ der, accepted }) => {
    const parsed = parseCertificate(der)
    expect(verifySignature(parsed.spki, parsed)).toBe(accepted)
  })

  test('a signature by another key is none, nor is one over other bytes', () => {
    expect(verifySignature(root.key.spki, parseCertificate(good.der))).toBe(true)
    expect(verifySignature(PrivateKey.generate().spki, parseCertificate(good.der))).toBe(false)
    const der = good.der.slice()
    der[20] = (der[20] ?? 0) ^ 1
    expect(verifySignature(root.key.spki, parseCertificate(der))).toBe(false)
  })

  test('a point off its curve is no key', () => {
    const spki = root.key.spki.slice()
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1
    expect(verifySignature(spki, parseCertificate(good.der))).toBe(false)
  })

  test('an algorithm for another kind of key is refused before any check', () => {
    const p384 = PrivateKey.generate('P-384')
    expect(verifySignature(p384.spki, parseCertificate(certificate({ ...good.fields, spki: p384.spki }, PrivateKey.generate('Ed25519'))))).toBe(false)
  })
})

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function made(change: Partial<CertificateFields>): Uint8Array {
  return certificate({ ...good.fields, ...change }, root.key)
}

/** A certificate in which one run of bytes is replaced by another of the same length. */
function patched(fields: CertificateFields, from: Uint8Array, to: Uint8Array, change: Partial<CertificateFields>): Uint8Array {
  const der = certificate({ ...fields, ...change }, root.key)
  der.set(to, Buffer.from(der).indexOf(Buffer.from(from)))
  return der
}

describe('the common name of a subject', () => {
  const name = (...attributes: readonly Uint8Array[]): Uint8Array => derSequence(...attributes.map((attribute) => derSet(attribute)))
  const attribute = (type: string, tagOfValue: number, text: string): Uint8Array => derSequence(derOid(type), derValue(tagOfValue, new TextEncoder().encode(text)))

  test('is the last one, as UTF-8, printable or IA5 text', () => {
    expect(commonNameOf(derName({ organization: 'o', commonName: 'node7 é' }))).toBe('node7 é')
    expect(commonNameOf(name(attribute(oid.commonName, tag.printableString, 'a'), attribute(oid.commonName, tag.ia5String, 'b')))).toBe('b')
  })

  test('is none without, in another type, or in bytes that are no text', () => {
    expect(commonNameOf(derName({}))).toBeUndefined()
    expect(commonNameOf(derName({ organization: 'o' }))).toBeUndefined()
    expect(commonNameOf(name(attribute(oid.commonName, 0x1e, 'ab')))).toBeUndefined() // BMPString
    expect(commonNameOf(name(derSequence(derOid(oid.commonName), derValue(tag.utf8String, Uint8Array.of(0xff)))))).toBeUndefined()
  })
})
