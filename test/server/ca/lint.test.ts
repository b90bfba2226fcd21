import { describe, expect, test } from 'vitest'
import { lint, LintedSvid, placeholderSerial, type LintOrder } from '../../../server/ca/lint.ts'
import { loadProfiles } from '../../../server/ca/profiles.ts'
import { concatBytes } from '../../../src/core/bytes.ts'
import { encodeSerial, minuteOf } from '../../../src/core/serial.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { derSequence, derValue, asciiBytes } from '../../../src/core/der/writer.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { keyUsageBit } from '../../../src/x509/extensions.ts'
import { derGrantClaims } from '../../../src/x509/grant-claims.ts'
import { publicKeyHash } from '../../../src/x509/fingerprint.ts'
import { derName } from '../../../src/x509/name.ts'
import { oid } from '../../../src/x509/oids.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { subjectKeyIdOf } from '../../../src/x509/template.ts'
import { certificate, ext, extension, type CertificateFields } from '../../support/verify/certificates.ts'

const nowMs = Date.UTC(2026, 0, 2, 12)
const authorityKey = PrivateKey.generate()
const leafKey = PrivateKey.generate()
const issuerName = derName({ organization: 'test' })
const order: LintOrder = {
  profile: loadProfiles().svids['x509-svid'],
  spiffeId: parseSpiffeId('spiffe://example.test/web'),
  dnsNames: ['web.example.test'],
  grant: undefined,
  spki: leafKey.spki,
  issuedAtMs: nowMs,
  issuer: {
    name: issuerName,
    keyId: subjectKeyIdOf(publicKeyHash(authorityKey.spki)),
    keyKind: 'P-256',
    validity: { notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + 3_600_000 },
    trustDomain: parseTrustDomain('example.test'),
  },
}
const names = { uris: ['spiffe://example.test/web'], dns: ['web.example.test'] }
const extensions = {
  basicConstraints: extension(oid.basicConstraints, true, derSequence()),
  keyUsage: ext.keyUsage(keyUsageBit.digitalSignature),
  extKeyUsage: ext.extKeyUsage(oid.serverAuth, oid.clientAuth),
  names: ext.names(names),
  subjectKeyId: ext.subjectKeyId(leafKey.spki),
  authorityKeyId: ext.authorityKeyId(authorityKey.spki),
}

type Change = Partial<Omit<CertificateFields, 'extensions'>> & { readonly extensions?: Partial<Record<keyof typeof extensions | 'more', Uint8Array | undefined>> }

/** To-be-signed bytes that pass, but for the change. */
function toBeSigned({ extensions: changed = {}, ...fields }: Change = {}): Uint8Array {
  const der = certificate(
    {
      serial: placeholderSerial,
      issuer: issuerName,
      subject: derName({}),
      notBeforeMs: nowMs - 10_000,
      notAfterMs: nowMs + 900_000,
      spki: leafKey.spki,
      ...fields,
      extensions: Object.values({ ...extensions, ...changed }),
    },
    authorityKey,
  )
  return parseCertificate(der).tbs.slice()
}

describe('the linter', () => {
  test('passes a good SVID', () => {
    expect(lint(toBeSigned(), order)).toBeInstanceOf(LintedSvid)
  })

  const cases: readonly [string, string, Change][] = [
    ['X509-01', 'no URI', { extensions: { names: ext.names({ dns: names.dns }) } }],
    ['X509-01', 'two URIs', { extensions: { names: ext.names({ ...names, uris: [...names.uris, 'https://example.test'] }) } }],
    ['X509-01', 'another ID', { extensions: { names: ext.names({ ...names, uris: ['spiffe://example.test/db'] }) } }],
    ['X509-03', 'an empty subject with a subjectAltName that is not critical', { extensions: { names: ext.names({ ...names, critical: false }) } }],
    ['names', 'a DNS name that nobody asked for', { extensions: { names: ext.names({ ...names, dns: ['web.example.test', 'bank.test'] }) } }],
    ['names', 'a DNS name left out', { extensions: { names: ext.names({ uris: names.uris }) } }],
    ['names', 'an e-mail address', { extensions: { names: extension(oid.subjectAltName, true, derSequence(derValue(0x86, asciiBytes('spiffe://example.test/web')), derValue(0x82, asciiBytes('web.example.test')), derValue(0x81, asciiBytes('a@b.test')))) } }],
    ['X509-05', 'cA', { extensions: { basicConstraints: ext.basicConstraints(true) } }],
    ['X509-05', 'no basic constraints', { extensions: { basicConstraints: undefined } }],
    ['X509-06', 'no key usage', { extensions: { keyUsage: undefined } }],
    ['X509-06', 'key usage that is not critical', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature, false) } }],
    ['X509-08', 'no digitalSignature', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.keyAgreement) } }],
    ['X509-08', 'keyCertSign', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature | keyUsageBit.keyCertSign) } }],
    ['X509-08', 'cRLSign', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature | keyUsageBit.cRLSign) } }],
    ['profile', 'a key usage that the profile does not name', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature | keyUsageBit.keyAgreement) } }],
    ['X509-09', 'clientAuth alone', { extensions: { extKeyUsage: ext.extKeyUsage(oid.clientAuth) } }],
    ['profile', 'a third extended usage', { extensions: { extKeyUsage: ext.extKeyUsage(oid.serverAuth, oid.clientAuth, oid.revocationStreamSigning) } }],
    ['validity', 'an end past the issuer’s', { notAfterMs: nowMs + 3_601_000 }],
    ['validity', 'a beginning before the issuer’s', { notBeforeMs: nowMs - 3_601_000 }],
    ['validity', 'a beginning in the future', { notBeforeMs: nowMs + 1_000 }],
    ['validity', 'an end that has passed', { notAfterMs: nowMs }],
    ['validity', 'a beginning further back than the profile’s', { notBeforeMs: nowMs - 11_000 }],
    ['issuer', 'another issuer name', { issuer: derName({ organization: 'other' }) }],
    ['issuer', 'another authority’s key identifier', { extensions: { authorityKeyId: ext.authorityKeyId(leafKey.spki) } }],
    ['key', 'another key', { spki: authorityKey.spki }],
    ['key', 'another key’s identifier', { extensions: { subjectKeyId: ext.subjectKeyId(authorityKey.spki) } }],
    ['serial', 'a serial already there', { serial: Uint8Array.of(1) }],
    ['extensions', 'an unknown extension', { extensions: { more: ext.unknown(false) } }],
    ['extensions', 'name constraints', { extensions: { more: ext.uriConstraints(['example.test']) } }],
  ]
  test.each(cases)('%s %s is refused', (rule, _, change) => {
    expect(() => lint(toBeSigned(change), order)).toThrow(expect.objectContaining({ code: 'LINT_FAILED', message: expect.stringContaining(rule) }))
  })

  test('X509-02 an ID without path is refused', () => {
    const id = parseSpiffeId('spiffe://example.test')
    expect(() => lint(toBeSigned({ extensions: { names: ext.names({ ...names, uris: [id] }) } }), { ...order, spiffeId: id })).toThrow('X509-02')
  })

  test('X509-04 an ID of another trust domain than the issuer’s is refused', () => {
    const id = parseSpiffeId('spiffe://other.test/web')
    expect(() => lint(toBeSigned({ extensions: { names: ext.names({ ...names, uris: [id] }) } }), { ...order, spiffeId: id })).toThrow('X509-04')
  })

  describe('the SVID of a grant', () => {
    const id = parseSpiffeId('spiffe://example.test/web/task/0123456789abcdefghjkmnpqrs')
    const claims = { id: '0123456789abcdefghjkmnpqrs', intentHash: '11'.repeat(32), policyHash: '22'.repeat(32), deadlineMs: nowMs + 300_000 }
    const grantOrder: LintOrder = { ...order, profile: loadProfiles().svids.grant, spiffeId: id, dnsNames: [], grant: claims }
    const grantOf = (more: Uint8Array | undefined, uri: string = id, notAfterMs = nowMs + 300_000): Uint8Array => toBeSigned({ notAfterMs, extensions: { names: ext.names({ uris: [uri] }), more } })
    const extensionOf = (changed: Partial<typeof claims> = {}): Uint8Array => extension(oid.grantClaims, false, derGrantClaims({ ...claims, ...changed }))

    test('passes with its claims', () => {
      expect(lint(grantOf(extensionOf()), grantOrder)).toBeInstanceOf(LintedSvid)
    })

    test.each([
      ['no claims', undefined],
      ['another grant', extensionOf({ id: 'other' })],
      ['another intent', extensionOf({ intentHash: '33'.repeat(32) })],
      ['another policy', extensionOf({ policyHash: '33'.repeat(32) })],
      ['another deadline', extensionOf({ deadlineMs: claims.deadlineMs + 1 })],
    ])('is refused with %s', (_, more) => {
      expect(() => lint(grantOf(more), grantOrder)).toThrow('grant: the claims')
    })

    test('never outlives the deadline of the grant', () => {
      const late = { ...claims, deadlineMs: nowMs + 299_999 }
      expect(() => lint(grantOf(extensionOf(late)), { ...grantOrder, grant: late })).toThrow('ends by its deadline')
    })

    test('has the ID of that grant, and its profile', () => {
      const other = parseSpiffeId('spiffe://example.test/web/task/other')
      const standing = parseSpiffeId('spiffe://example.test/web')
      expect(() => lint(grantOf(extensionOf(), other), { ...grantOrder, spiffeId: other })).toThrow('its ID names it')
      expect(() => lint(grantOf(extensionOf(), standing), { ...grantOrder, spiffeId: standing })).toThrow('go together')
      expect(() => lint(grantOf(undefined), { ...grantOrder, grant: undefined })).toThrow('go together')
      expect(() => lint(grantOf(extensionOf()), { ...grantOrder, profile: order.profile })).toThrow('go together')
    })
  })

  test('both ends of the issuer’s validity are within', () => {
    const issuer = { ...order.issuer, validity: { notBeforeMs: nowMs - 10_000, notAfterMs: nowMs + 900_000 } }
    expect(() => lint(toBeSigned(), { ...order, issuer })).not.toThrow()
  })

  test('a key of a kind outside the profile is refused', () => {
    expect(() => lint(toBeSigned(), { ...order, profile: { ...order.profile, keys: ['RSA'] } })).toThrow('key:')
  })

  test('bytes that do not parse are refused', () => {
    expect(() => lint(concatBytes(toBeSigned(), Uint8Array.of(0)), order)).toThrow(expect.objectContaining({ code: 'LINT_FAILED' }))
  })
})

describe('what the linter passed', () => {
  const serial = encodeSerial({ shard: 3, minute: minuteOf(nowMs + 900_000), index: 5, random: new Uint8Array(8).fill(7) })

  test('takes the serial in its place and nothing else changes', () => {
    const before = toBeSigned()
    const after = lint(before.slice(), order).take(serial)
    expect(Buffer.from(after).indexOf(Buffer.from(serial))).toBe(Buffer.from(before).indexOf(Buffer.from(placeholderSerial)))
    expect(Buffer.from(after).toString('hex').replace(Buffer.from(serial).toString('hex'), Buffer.from(placeholderSerial).toString('hex'))).toBe(Buffer.from(before).toString('hex'))
  })

  test('is signed once', () => {
    const svid = lint(toBeSigned(), order)
    svid.take(serial)
    expect(() => svid.take(serial)).toThrow('signed once')
  })

  test.each([
    ['of another minute', encodeSerial({ shard: 3, minute: minuteOf(nowMs + 900_000) + 1, index: 5, random: new Uint8Array(8) })],
    ['of another form', new Uint8Array(16)],
  ])('refuses a serial %s', (_, wrong) => {
    expect(() => lint(toBeSigned(), order).take(wrong)).toThrow('not one of this notAfter')
  })
})
