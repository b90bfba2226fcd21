import fc from 'fast-check'
import { expect } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { BundleSet } from '../../src/verify/index.ts'
import { encodeBundle, parseBundle } from '../../src/x509/bundle.ts'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'
import { textEdits } from '../support/fuzz/text.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'
import { authority, trustDomain } from '../support/verify/certificates.ts'

const authorities = [authority('one', { key: fixedKeys[0] }).der, authority('two', { key: fixedKeys[1] }).der]
const originals = [
  encodeBundle({ trustDomain, x509Authorities: authorities, sequence: 18_446_744_073_709_551_615n, refreshHintSeconds: 300 }),
  encodeBundle({ trustDomain, x509Authorities: [], sequence: undefined, refreshHintSeconds: undefined }),
]
const marks = ['"keys":', '"x5c":[', '"use":"jwt-svid"', '"use":"x509-svid"', '"kty":"RSA"', '"kty":null', '"spiffe_sequence":-1', '"spiffe_sequence":1e400', '"spiffe_refresh_hint":1.5', '{', '}', '[', ']', ',', '""', 'null', 'true', '1e999', '"__proto__":{"x":1}', '\\u0000', '\\"spiffe_sequence\\":12,', '[['.repeat(200)]

const structured = fc
  .record({
    keys: fc.oneof(fc.array(fc.dictionary(fc.constantFrom('kty', 'use', 'x5c', 'kid', 'crv', '__proto__'), fc.oneof(fc.constantFrom('EC', 'x509-svid', 'jwt-svid'), fc.array(fc.oneof(fc.constantFrom(...authorities.map((der) => Buffer.from(der).toString('base64'))), fc.jsonValue())), fc.jsonValue()))), fc.jsonValue()),
    spiffe_sequence: fc.oneof(fc.integer(), fc.jsonValue()),
    spiffe_refresh_hint: fc.oneof(fc.integer(), fc.jsonValue()),
  }, { requiredKeys: [] })
  .map((value) => JSON.stringify(value))

fuzz('bundle', 'a bundle is read into authorities that parse, or refused with a code; what was read is written and read the same', textForm, fc.oneof(textEdits(originals, marks), structured), (text) => {
  let bundle
  try {
    bundle = parseBundle(trustDomain, text)
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(['CERTIFICATE_INVALID', 'DER_INVALID']).toContain(error instanceof MayflyError ? error.code : '')
    return
  }
  expect(bundle.trustDomain).toBe(trustDomain)
  try {
    expect(BundleSet.of(bundle).authoritiesOf(trustDomain).length).toBe(bundle.x509Authorities.length)
    expect(parseBundle(trustDomain, encodeBundle(bundle))).toEqual(bundle)
  } catch (error) {
    // A certificate whose key is malformed, or of a kind that we do not have, stands in a bundle and is refused by what would use it: `BundleSet.of` states both codes.
    if (!(error instanceof MayflyError)) throw error
    expect(['CERTIFICATE_INVALID', 'DER_INVALID']).toContain(error.code)
  }
  expect(Object.getPrototypeOf(bundle)).toBe(Object.prototype)
})
