import { spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCrl, crlEntry, parseCrl } from '../../src/x509/crl.ts'
import type { CrlReason } from '../../src/x509/crl.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { verifyPlain } from '../../src/x509/signature.ts'
import { signingAside } from '../../src/x509/signing-key.ts'
import { authority, nowMs } from '../support/verify/certificates.ts'
import { cpuMs } from '../support/cpu-time.ts'

const root = authority('root')
const certificate = parseCertificate(root.der)
const terms = { issuer: certificate.subject, issuerKeyId: certificate.extensions.subjectKeyId ?? new Uint8Array(20), number: 1_795_337_753_123n, thisUpdateMs: nowMs, nextUpdateMs: nowMs + 86_400_000 }
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mf-'))
  writeFileSync(join(folder, 'root.pem'), encodeCertificatesPem([root.der]))
})
afterAll(() => rmSync(folder, { recursive: true }))

function openssl(crl: Uint8Array): string {
  writeFileSync(join(folder, 'crl.der'), crl)
  const { stdout, stderr } = spawnSync('openssl', ['crl', '-inform', 'DER', '-in', 'crl.der', '-noout', '-text', '-CAfile', 'root.pem', '-verify'], { cwd: folder, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 })
  expect(stderr).toContain('verify OK')
  return stdout
}

test('openssl reads and verifies a list: version 2, number, authority key identifier, serials, dates and reasons', async () => {
  const reasons: readonly (readonly [CrlReason, string | undefined])[] = [['unspecified', undefined], ['keyCompromise', 'Key Compromise'], ['superseded', 'Superseded'], ['cessationOfOperation', 'Cessation Of Operation']]
  const entries = reasons.map(([reason], at) => crlEntry(Uint8Array.of(0x81, at, 0xff), nowMs + at * 1_000, reason))
  const text = openssl(await buildCrl(terms, entries, root.key))
  expect(text).toContain('Version 2')
  expect(text).toMatch(/X509v3 CRL Number:\s+(1795337753123|0x1A2035C7E23|0x[0-9A-F]+)/i)
  expect(text).toMatch(/Authority Key Identifier:/)
  expect(text).toMatch(/Last Update: Jan {2}1 12:00:00 2026 GMT\s+Next Update: Jan {2}2 12:00:00 2026 GMT/)
  for (const [at, [, name]] of reasons.entries()) {
    expect(text).toContain(`Serial Number: 810${at}FF`)
    if (name !== undefined) expect(text).toContain(name)
  }
  expect(text).not.toContain('Issuing Distribution Point')
})

test('an empty list has no list of entries at all', async () => {
  expect(openssl(await buildCrl(terms, [], root.key))).toContain('No Revoked Certificates')
})

test('what is written is read back, and openssl counts the same', async () => {
  const serials = fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 20 }).filter((bytes) => bytes[0] !== 0), { maxLength: 50, selector: toHex })
  await fc.assert(
    fc.asyncProperty(serials, fc.bigInt({ min: 0n, max: 2n ** 100n }), fc.constantFrom<CrlReason>('unspecified', 'superseded'), async (list, number, reason) => {
      const der = await buildCrl({ ...terms, number }, list.map((serial) => crlEntry(serial, nowMs, reason)), root.key)
      const parsed = parseCrl(der)
      expect(parsed).toMatchObject({ number, thisUpdateMs: nowMs, nextUpdateMs: nowMs + 86_400_000 })
      expect(parsed.serials.map(toHex)).toEqual(list.map(toHex))
    }),
  )
})

test('a hundred thousand entries are one list, made in less than a second', async () => {
  const entries = Array.from({ length: 100_000 }, (_, at) => crlEntry(Uint8Array.of(1, at >> 16, at >> 8, at, ...new Uint8Array(13)), nowMs))
  const startedMs = cpuMs()
  const der = await buildCrl(terms, entries, root.key)
  expect(cpuMs() - startedMs).toBeLessThan(10_000) // of a slow machine's too
  expect(parseCrl(der).serials).toHaveLength(100_000)
  expect(openssl(der).match(/Serial Number/g)).toHaveLength(100_000)
})

test('a key signs aside as it signs here', async () => {
  expect(openssl(await buildCrl(terms, [crlEntry(Uint8Array.of(7), nowMs)], signingAside(root.key)))).toContain('Serial Number: 07')
  for (const kind of ['P-256', 'P-384', 'Ed25519'] as const) {
    const key = PrivateKey.generate(kind)
    const data = new Uint8Array(1_000)
    expect(verifyPlain(createPublicKey(key.keyObject), kind, data, await signingAside(key).sign(data)), kind).toBe(true)
  }
})
