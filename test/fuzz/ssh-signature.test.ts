import fc from 'fast-check'
import { expect } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { parseAuthorizedKey } from '../../src/ssh/public-key.ts'
import { sshString } from '../../src/ssh/reader.ts'
import { verifySshSignature } from '../../src/ssh/signature.ts'
import { fuzz, hexForm, textForm } from '../support/fuzz/fuzz.ts'

const names = fc.constantFrom('ssh-ed25519', 'sk-ssh-ed25519@openssh.com', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp521', 'nistp256', 'nistp521', 'ssh-rsa', 'rsa-sha2-512', 'rsa-sha2-256', 'ssh-dss', 'ssh:', 'approval@mayfly', 'sha512', 'sha256', 'md5', '')
const numbers = fc.constantFrom(Buffer.of(0), Buffer.of(1, 0, 1), Buffer.of(0x80), Buffer.of(0, 0x80), Buffer.alloc(32, 1), Buffer.alloc(33), Buffer.concat([Buffer.of(4), Buffer.alloc(64, 3)]), Buffer.alloc(257, 0x7f))
const part = fc.oneof(names.map((name) => sshString(name)), numbers.map((number) => sshString(number)), fc.uint8Array({ maxLength: 40 }).map((bytes) => sshString(bytes)), fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)))
const nested = fc.array(part, { maxLength: 5 }).map((parts) => sshString(Buffer.concat(parts)))
const blobs = fc.array(fc.oneof(part, nested), { maxLength: 7 }).map((parts) => Buffer.concat(parts))

fuzz('ssh-signature', 'bytes given as a signature are answered with what is wrong with them', hexForm, blobs, (blob) => {
  const armoured = `-----BEGIN SSH SIGNATURE-----\n${Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01'), blob]).toString('base64')}\n-----END SSH SIGNATURE-----\n`
  expect(verifySshSignature(armoured, Buffer.from('x'), 'approval@mayfly')).toHaveProperty('problem')
})

fuzz('ssh-public-key', 'a line given as a public key is a key that is written the same, or refused with a code', textForm, fc.oneof(fc.string({ maxLength: 300 }), fc.tuple(names, blobs).map(([name, blob]) => `${name} ${Buffer.concat([sshString(name), blob]).toString('base64')} x@y`)), (line) => {
  try {
    const key = parseAuthorizedKey(line)
    expect(line).toContain(Buffer.from(key.blob).toString('base64').replaceAll('=', ''))
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(error instanceof MayflyError ? error.code : '').toBe('INVALID_ARGUMENT')
  }
})
