import { expect, test } from 'vitest'
import { crlEntry, buildCrl } from '../../src/x509/crl.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { keyUsageBit } from '../../src/x509/extensions.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { SignedCrl } from '../../src/x509/signed-crl.ts'
import { derSequence } from '../../src/core/der/writer.ts'
import { authority, ext, extension, nowMs } from '../support/verify/certificates.ts'
import { revocationList, type ListFields } from '../support/verify/lists.ts'

const root = authority('root')
const serial = Uint8Array.of(0x81, 2, 3)

test('a list of its authority says whom it lists, and when it is current', () => {
  const list = SignedCrl.of(revocationList(root, { serials: [serial, Uint8Array.of(5)] }), root.der)
  expect(list.authorityId).toBe(root.id)
  expect([serial, Uint8Array.of(5), Uint8Array.of(6)].map((one) => list.lists(one))).toEqual([true, true, false])
  expect([nowMs - 1_001, nowMs - 1_000, nowMs + 3_600_000, nowMs + 3_600_001].map((ms) => list.isCurrent(ms))).toEqual([false, true, true, false])
  expect(SignedCrl.of(revocationList(root, { extensions: [] }), root.der).lists(serial)).toBe(false)
})

test('the lists that mayfly writes are such', async () => {
  const { subject, extensions } = parseCertificate(root.der)
  const terms = { issuer: subject, issuerKeyId: extensions.subjectKeyId ?? new Uint8Array(0), number: 9n, thisUpdateMs: nowMs, nextUpdateMs: nowMs + 1_000 }
  expect(SignedCrl.of(await buildCrl(terms, [crlEntry(serial, nowMs, 'superseded')], root.key), root.der).lists(serial)).toBe(true)
})

test('an authority with another kind of key may list too', () => {
  for (const kind of ['P-384', 'Ed25519'] as const) {
    const other = authority('other', { key: PrivateKey.generate(kind) })
    expect(SignedCrl.of(revocationList(other, { serials: [serial] }), other.der).lists(serial)).toBe(true)
  }
})

const stranger = authority('stranger')
const namesake = authority('root')
test.each<[string, Partial<ListFields>]>([
  ['a forged signature', { signer: PrivateKey.generate() }],
  ['another issuer', { issuer: stranger.fields.subject, signer: stranger.key }],
  ['another key of the same name', { extensions: [ext.authorityKeyId(namesake.key.spki)] }],
  ['version 1', { version: 0 }],
  ['no time of the next', { nextUpdateMs: undefined }],
  ['changes only', { extensions: [extension('2.5.29.27', true, Uint8Array.of(2, 1, 1))] }],
  ['a part of what was issued', { extensions: [extension('2.5.29.28', true, derSequence())] }],
  ['an entry of another issuer', { serials: [serial], entryExtensions: [extension('2.5.29.29', true, derSequence())] }],
])('%s is refused', (_name, overrides) => {
  expect(() => SignedCrl.of(revocationList(root, overrides), root.der)).toThrow(expect.objectContaining({ code: 'CERTIFICATE_INVALID' }))
})

test('a list that was changed, cut short or lengthened is refused', () => {
  const der = revocationList(root, { serials: [serial] })
  for (let at = 0; at < der.length; at++) {
    const bytes = der.slice()
    bytes[at] = (bytes[at] ?? 0) ^ 1
    expect(() => SignedCrl.of(bytes, root.der)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^(CERTIFICATE|DER)_INVALID$/) as string }))
  }
  expect(() => SignedCrl.of(der.slice(0, -1), root.der)).toThrow()
  expect(() => SignedCrl.of(Uint8Array.from([...der, 0]), root.der)).toThrow()
})

test('an issuer that may not sign lists makes none', () => {
  const mute = authority('mute', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.keyCertSign) } })
  expect(() => SignedCrl.of(revocationList(mute), mute.der)).toThrow(/cRLSign/)
})
