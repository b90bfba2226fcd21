import fc from 'fast-check'
import { expect } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { federationLimits } from '../../src/core/federated-bundle.ts'
import { BundleSet } from '../../src/verify/index.ts'
import { encodeFederatedBundle, parseFederatedBundle } from '../../src/x509/federated-bundle.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'
import { textEdits } from '../support/fuzz/text.ts'
import { authority, trustDomain } from '../support/verify/certificates.ts'

const x509Authorities = fixedKeys.slice(0, 2).map((key, at) => authority(`${at}`, { key }).der)
const jwtAuthorities = fixedKeys.slice(0, 2).map(({ spki }, at) => ({ keyId: `key ${at}`, publicKey: spki, expiresAtSeconds: 0 }))
const whole = encodeFederatedBundle({ trustDomain, x509Authorities, jwtAuthorities, sequence: 7, refreshHintSeconds: 300 })
const originals = [whole, encodeFederatedBundle({ trustDomain, x509Authorities: [], jwtAuthorities, sequence: 0, refreshHintSeconds: 0 }), encodeCertificatesPem(x509Authorities), `note\n${encodeCertificatesPem(x509Authorities)}`]
const marks = ['"use":"jwt-svid"', '"use":"x509-svid"', '"use":"wit-svid"', '"kid":"', '"kid":7', '"kty":"RSA","n":"AQAB","e":"AQAB"', '"kty":"oct","k":"AA"', '"crv":"P-256"', '"x":""', '"spiffe_sequence":-1', '"spiffe_sequence":99999999999999999999', '"spiffe_refresh_hint":-5', '-----BEGIN CERTIFICATE-----\n', '-----END CERTIFICATE-----\n', '-----BEGIN PRIVATE KEY-----\n', '{', '}', '[', ']', 'null', '"__proto__":{}', '\u0000']

const structured = fc
  .record({
    keys: fc.array(fc.dictionary(fc.constantFrom('kty', 'use', 'x5c', 'kid', 'crv', 'x', 'y', 'n', 'e', 'd', '__proto__'), fc.oneof(fc.constantFrom('EC', 'RSA', 'OKP', 'P-256', 'jwt-svid', 'x509-svid', 'AQAB', 'A'.repeat(400)), fc.array(fc.constantFrom(...x509Authorities.map((der) => Buffer.from(der).toString('base64')))), fc.jsonValue()))),
    spiffe_sequence: fc.oneof(fc.bigInt().map(String), fc.jsonValue()),
  })
  .map(({ keys, spiffe_sequence: sequence }) => `{"keys":${JSON.stringify(keys)},"spiffe_sequence":${typeof sequence === 'string' ? sequence : JSON.stringify(sequence)}}`)

fuzz('federated-bundle', 'a bundle of another trust domain is one that every verifier can use, within its bounds, and reads the same when it is written; or it is refused with a code', textForm, fc.oneof(textEdits(originals, marks), structured), (text) => {
  let bundle
  try {
    bundle = parseFederatedBundle(trustDomain, text)
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(['CERTIFICATE_INVALID', 'DER_INVALID', 'LIMIT_EXCEEDED']).toContain(error instanceof MayflyError ? error.code : '')
    return
  }
  expect(bundle.x509Authorities.length).toBeLessThanOrEqual(federationLimits.authorities)
  for (const { certificate } of BundleSet.of(bundle).authoritiesOf(trustDomain)) expect(certificate.extensions.basicConstraints?.ca).toBe(true)
  expect(bundle.sequence).toBeGreaterThanOrEqual(0)
  expect(parseFederatedBundle(trustDomain, encodeFederatedBundle(bundle))).toEqual(bundle)
  expect(encodeFederatedBundle(bundle)).not.toContain('"d":')
})
