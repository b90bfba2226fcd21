import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { existsSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAuthorizedKey } from '../../src/ssh/public-key.ts'
import { sshString } from '../../src/ssh/reader.ts'
import { verifySshSignature } from '../../src/ssh/signature.ts'
import { personKey } from '../support/ssh/person-key.ts'
import { temporaryFolder } from '../support/store/open.ts'

const message = 'approve\nrequest 0123\n'
const bytes = Buffer.from(message)
const namespace = 'approval@mayfly'

describe.skipIf(!existsSync('/usr/bin/ssh-keygen'))('what ssh-keygen signs (skipped where there is none)', () => {
  test.for([
    ['Ed25519', ['-t', 'ed25519']],
    ['P-256', ['-t', 'ecdsa', '-b', '256']],
    ['P-384', ['-t', 'ecdsa', '-b', '384']],
    ['P-521', ['-t', 'ecdsa', '-b', '521']],
    ['RSA 2048', ['-t', 'rsa', '-b', '2048']],
  ] as const)('%s: verified, and the signer is the key of its .pub line', async ([, options]) => {
    await using folder = await temporaryFolder()
    const key = await personKey(folder.path, 'alice', ...options)
    const armoured = await key.sign(message, namespace)
    const known = parseAuthorizedKey(key.line)
    expect(verifySshSignature(armoured, bytes, namespace)).toMatchObject({ signer: { fingerprint: known.fingerprint, type: known.type } })
    expect(verifySshSignature(armoured, Buffer.from(`${message} `), namespace)).toMatchObject({ problem: 'wrong_signature' })
    expect(verifySshSignature(armoured, bytes, 'file')).toMatchObject({ problem: 'wrong_namespace' })
  })

  test('no flip of any bit leaves a signature of the same key', async () => {
    await using folder = await temporaryFolder()
    const key = await personKey(folder.path, 'alice')
    const known = parseAuthorizedKey(key.line)
    const blob = Buffer.from((await key.sign(message, namespace)).split('\n').slice(1, -2).join(''), 'base64')
    const reserved = 10 + sshString(known.blob).length + sshString(namespace).length
    for (let at = 0; at < blob.length * 8; at++) {
      const changed = Buffer.from(blob)
      changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7))
      const outcome = verifySshSignature(armour(changed), bytes, namespace)
      expect('problem' in outcome, `bit ${at} (the reserved string is at ${reserved})`).toBe(true)
    }
  })
})

describe('security keys', () => {
  test.for([
    ['touched', 1, undefined],
    ['touched and verified', 5, undefined],
    ['not touched', 0, 'untouched'],
  ] as const)('an sk-ssh-ed25519 signature, %s', ([, flags, problem]) => {
    const outcome = verifySshSignature(securityKeySignature(flags), bytes, namespace)
    if (problem === undefined) expect(outcome).toMatchObject({ signer: { kind: 'sk-ed25519', application: 'ssh:' } })
    else expect(outcome).toMatchObject({ problem })
  })
})

describe('public keys', () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const { e = '', n = '' } = publicKey.export({ format: 'jwk' })
  const weak = Buffer.concat([sshString('ssh-rsa'), sshString(Buffer.from(e, 'base64url')), sshString(Buffer.concat([Buffer.of(0), Buffer.from(n, 'base64url')]))])
  const short = Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.alloc(31))])
  test.for<[string, string, string]>([
    ['an RSA key of 1,024 bits', `ssh-rsa ${weak.toString('base64')}`, '1024 bits'],
    ['an Ed25519 key of 31 bytes', `ssh-ed25519 ${short.toString('base64')}`, '32 bytes'],
    ['another type than it says', `ssh-rsa ${Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.alloc(32, 1))]).toString('base64')}`, 'it says ssh-rsa'],
    ['options before it', `no-pty ssh-ed25519 ${Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.alloc(32, 1))]).toString('base64')}`, 'no line'],
    ['DSA', `ssh-dss ${Buffer.concat([sshString('ssh-dss'), sshString(Buffer.alloc(32, 1))]).toString('base64')}`, 'not taken'],
    ['a point off its curve', `ecdsa-sha2-nistp256 ${Buffer.concat([sshString('ecdsa-sha2-nistp256'), sshString('nistp256'), sshString(Buffer.concat([Buffer.of(4), Buffer.alloc(64, 7)]))]).toString('base64')}`, 'curve'],
  ])('%s is refused', ([, line, words]) => {
    expect(() => parseAuthorizedKey(line)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(words) }))
  })
})

test('whatever is given as a signature is answered, never thrown at', () => {
  const edge = fc.oneof(fc.string(), fc.uint8Array({ maxLength: 400 }).map((blob) => armour(Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01'), blob]))))
  fc.assert(
    fc.property(edge, (text) => {
      expect(verifySshSignature(text, bytes, namespace)).toHaveProperty('problem')
    }),
  )
})

function armour(blob: Uint8Array): string {
  return `-----BEGIN SSH SIGNATURE-----\n${Buffer.from(blob).toString('base64')}\n-----END SSH SIGNATURE-----\n`
}

/** As a hardware key makes it: over the hash of its application, its flags, its counter and the hash of what is signed. */
function securityKeySignature(flags: number): string {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const type = 'sk-ssh-ed25519@openssh.com'
  const blob = Buffer.concat([sshString(type), sshString(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')), sshString('ssh:')])
  const signed = Buffer.concat([Buffer.from('SSHSIG'), sshString(namespace), sshString(''), sshString('sha512'), sshString(createHash('sha512').update(bytes).digest())])
  const after = Buffer.concat([Buffer.of(flags), Buffer.of(0, 0, 0, 9)])
  const data = Buffer.concat([createHash('sha256').update('ssh:').digest(), after, createHash('sha256').update(signed).digest()])
  const signature = Buffer.concat([sshString(type), sshString(sign(null, data, privateKey)), after])
  return armour(Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01'), sshString(blob), sshString(namespace), sshString(''), sshString('sha512'), sshString(signature)]))
}
