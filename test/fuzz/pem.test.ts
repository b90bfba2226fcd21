import fc from 'fast-check'
import { expect } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { decodeCertificatesPem, decodePrivateKeyPem, encodeCertificatesPem, encodePem } from '../../src/x509/pem.ts'
import { fuzz, textForm } from '../support/fuzz/fuzz.ts'
import { textEdits } from '../support/fuzz/text.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'
import { authority } from '../support/verify/certificates.ts'
import { cpuMs } from '../support/cpu-time.ts'

const certificate = authority('root', { key: fixedKeys[0] }).der
const originals = [encodeCertificatesPem([certificate]), encodeCertificatesPem([certificate, certificate]), fixedKeys[0].toPem(), `text before\n${encodePem('CERTIFICATE', certificate)}text after\n`, encodePem('X509 CRL', certificate)]
const marks = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----', '-----BEGIN PRIVATE KEY-----', '-----END PRIVATE KEY-----', '-----BEGIN ', '-----', '\r\n', '\r', '\n', '=', '==', ' ', '\t', 'Proc-Type: 4,ENCRYPTED\n', 'AAAA', 'é', '\0', '\u2028']

fuzz('pem', 'what is taken for certificates comes back the same, each block counts, and nothing else is thrown', textForm, textEdits(originals, marks), (text) => {
  for (const decode of [decodeCertificatesPem, (keyText: string): readonly Uint8Array[] => [decodePrivateKeyPem(keyText)]]) {
    let blocks
    try {
      blocks = decode(text)
    } catch (error) {
      expect(error).toMatchObject({ code: 'CERTIFICATE_INVALID' })
      expect(error).toBeInstanceOf(MayflyError)
      continue
    }
    expect(blocks.length).toBe(text.split('-----BEGIN ').length - 1)
    if (decode === decodeCertificatesPem) expect(decodeCertificatesPem(encodeCertificatesPem(blocks)).map((der) => Buffer.from(der).toString('hex'))).toEqual(blocks.map((der) => Buffer.from(der).toString('hex')))
  }
})

// A text is read in time that grows with its length, not with its square.
const long = fc.record({ mark: fc.constantFrom(...marks), times: fc.integer({ min: 1_000, max: 20_000 }) }).map(({ mark, times }) => mark.repeat(times).slice(0, 1_000_000))
fuzz('pem-long', 'a long text of one piece is answered within a second', textForm, long, (text) => {
  const startedMs = cpuMs()
  expect(() => decodePrivateKeyPem(text)).toThrow(MayflyError)
  expect(cpuMs() - startedMs).toBeLessThan(10_000) // of a slow machine's too: the square would take hours
}, 0.2)
