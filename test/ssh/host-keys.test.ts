import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { parseSshCertificate, readCertificateLine } from '../../src/ssh/certificate.ts'
import { parseSshPrivateKey, signSsh } from '../../src/ssh/private-key.ts'
import { parseAuthorizedKey } from '../../src/ssh/public-key.ts'
import { verifySshBytes } from '../../src/ssh/signature.ts'
import { sshAuthority, sshHost } from '../support/attest/ssh-host.ts'

const folder = mkdtempSync(join(tmpdir(), 'mf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
sshAuthority(folder, 'ca')

function made(name: string, ...options: readonly string[]): string {
  execFileSync('ssh-keygen', ['-q', '-C', name, '-f', join(folder, name), ...(options.includes('-N') ? [] : ['-N', '']), ...options])
  return readFileSync(join(folder, name), 'utf8')
}

describe.each([
  ['Ed25519', ['-t', 'ed25519'], 'ssh-ed25519'],
  ['P-256', ['-t', 'ecdsa', '-b', '256'], 'ecdsa-sha2-nistp256'],
  ['P-384', ['-t', 'ecdsa', '-b', '384'], 'ecdsa-sha2-nistp384'],
  ['P-521', ['-t', 'ecdsa', '-b', '521'], 'ecdsa-sha2-nistp521'],
  ['RSA', ['-t', 'rsa', '-b', '2048'], 'rsa-sha2-512'],
])('a host key of %s', (name, options, algorithm) => {
  const key = parseSshPrivateKey(made(`key-${name}`, ...options))

  test('is the key of its .pub file, and signs as that', () => {
    const known = parseAuthorizedKey(readFileSync(join(folder, `key-${name}.pub`), 'utf8'))
    expect(key.publicKey.fingerprint).toBe(known.fingerprint)
    for (let count = 0; count < 20; count++) {
      const signed = signSsh(key, Buffer.from(`message ${count}`))
      expect(signed.algorithm).toBe(algorithm)
      expect(verifySshBytes(known, signed.algorithm, signed.signature, Buffer.from(`message ${count}`), false)).toBe(true)
      expect(verifySshBytes(known, signed.algorithm, signed.signature, Buffer.from(`message ${count}.`), false)).toBe(false)
    }
  })

  test('shows itself to nobody', () => {
    expect([inspect(key), JSON.stringify(key)]).toEqual(['[secret]', '"[secret]"'])
  })

  test('is in its certificate, with what ssh-keygen put there', () => {
    const files = sshHost(folder, 'ca', `host-${name}`, options, ['-h', '-n', 'a.example.org,b.example.org', '-z', '42', '-V', '20260101:20270101'])
    const certificate = parseSshCertificate(readCertificateLine(readFileSync(files.hostCertificate, 'utf8')))
    expect(certificate).toMatchObject({ serial: 42n, use: 'host', keyId: `host-${name}`, principals: ['a.example.org', 'b.example.org'], criticalOptions: [] })
    expect(certificate.validBeforeS - certificate.validAfterS).toBe(365n * 86_400n)
    expect(Buffer.from(certificate.key.blob)).toEqual(Buffer.from(parseSshPrivateKey(readFileSync(files.hostKey, 'utf8')).publicKey.blob))
  })
})

test.each([
  ['with a passphrase', ['-t', 'ed25519', '-N', 'secret'], 'it has a passphrase'],
  ['in the form of OpenSSL', ['-t', 'rsa', '-b', '2048', '-m', 'PEM'], 'it is no OPENSSH PRIVATE KEY: ssh-keygen -p'],
])('a key %s is refused, with what to do', (name, options, why) => {
  expect(() => parseSshPrivateKey(made(name.replaceAll(' ', '-'), ...options))).toThrow(why)
})

test('a public key is no certificate', () => {
  made('plain', '-t', 'ed25519')
  expect(() => parseSshCertificate(readCertificateLine(readFileSync(join(folder, 'plain.pub'), 'utf8')))).toThrow('is no certificate')
})
