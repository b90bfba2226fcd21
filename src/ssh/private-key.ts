import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { readPublicKey } from './public-key.ts'
import type { SshPublicKey } from './public-key.ts'
import { SshFormatError, SshReader, sshString } from './reader.ts'

/** A host key; prints as `[secret]`. */
export class SshPrivateKey {
  readonly publicKey: SshPublicKey
  readonly keyObject: KeyObject

  constructor(publicKey: SshPublicKey, keyObject: KeyObject) {
    this.publicKey = publicKey
    this.keyObject = keyObject
    Object.defineProperty(this, inspect.custom, { value: () => '[secret]' })
  }

  toJSON(): string {
    return '[secret]'
  }
}

const magic = 'openssh-key-v1\0'
const maxChars = 32_768

/** One key of Ed25519, ECDSA or RSA in the form of `ssh-keygen`, without passphrase. Messages never repeat any of it. @throws {SshFormatError} */
export function parseSshPrivateKey(text: string): SshPrivateKey {
  if (text.length > maxChars) throw new SshFormatError('it is too long')
  const [, body] = /^-----BEGIN OPENSSH PRIVATE KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)\n-----END OPENSSH PRIVATE KEY-----\s*$/.exec(text) ?? []
  if (body === undefined) throw new SshFormatError('it is no OPENSSH PRIVATE KEY: ssh-keygen -p -N "" -f FILE writes one anew in that form')
  const reader = new SshReader(Buffer.from(body.replaceAll(/[\r\n]/g, ''), 'base64'))
  if (Buffer.from(reader.bytes(magic.length)).toString('latin1') !== magic) throw new SshFormatError('it does not begin as a key')
  const [cipher, kdf] = [reader.name(), reader.name()]
  reader.string()
  if (cipher !== 'none' || kdf !== 'none') throw new SshFormatError('it has a passphrase, which nobody is there to type')
  if (reader.uint32() !== 1) throw new SshFormatError('it holds more than one key')
  const announced = reader.string()
  const secret = new SshReader(reader.string())
  reader.end()
  if (secret.uint32() !== secret.uint32()) throw new SshFormatError('its two check numbers differ')
  const key = keyIn(secret, announced)
  secret.string() // comment
  for (let pad = 1; !secret.done; pad++) if (secret.byte() !== (pad & 0xff)) throw new SshFormatError('its padding is wrong')
  return key
}

/** A signature as SSH has them, with the best algorithm of the key: SHA-512 with RSA. */
export function signSsh({ publicKey, keyObject }: SshPrivateKey, data: Uint8Array): { readonly algorithm: string; readonly signature: Uint8Array } {
  if (publicKey.kind === 'ed25519') return { algorithm: publicKey.type, signature: new Uint8Array(sign(null, data, keyObject)) }
  if (publicKey.kind === 'rsa') return { algorithm: 'rsa-sha2-512', signature: new Uint8Array(sign('sha512', data, keyObject)) }
  const hash = publicKey.type.endsWith('nistp256') ? 'sha256' : publicKey.type.endsWith('nistp384') ? 'sha384' : 'sha512'
  const raw = sign(hash, data, { key: keyObject, dsaEncoding: 'ieee-p1363' })
  const half = raw.length / 2
  return { algorithm: publicKey.type, signature: new Uint8Array(Buffer.concat([mpint(raw.subarray(0, half)), mpint(raw.subarray(half))])) }
}

function keyIn(secret: SshReader, announced: Uint8Array): SshPrivateKey {
  const type = secret.name()
  const jwk = jwkOf(type, secret, announced)
  let keyObject: KeyObject
  try {
    keyObject = createPrivateKey({ key: jwk, format: 'jwk' })
  } catch {
    throw new SshFormatError('its numbers are those of no key') // the cause is left out: it could quote the key
  }
  const publicKey = publicOf(announced)
  if (!createPublicKey(keyObject).equals(publicKey.key)) throw new SshFormatError('its two halves are of different keys')
  return new SshPrivateKey(publicKey, keyObject)
}

function publicOf(announced: Uint8Array): SshPublicKey {
  const reader = new SshReader(announced)
  const key = readPublicKey(reader.name(), reader)
  reader.end()
  return key
}

function jwkOf(type: string, secret: SshReader, announced: Uint8Array): Record<string, string> {
  const known = publicOf(announced)
  if (known.type !== type) throw new SshFormatError('its two halves are of different types')
  const jwk = known.key.export({ format: 'jwk' }) as Record<string, string> // members of a public JWK are texts
  switch (known.kind) {
    case 'ed25519': {
      secret.string()
      const both = secret.string()
      if (both.length !== 64) throw new SshFormatError('a private Ed25519 key has 64 bytes')
      return { ...jwk, d: base64url(both.subarray(0, 32)) }
    }
    case 'ecdsa': {
      secret.name()
      secret.string()
      const d = secret.positive()
      const length = Buffer.from(jwk['x'] ?? '', 'base64url').length
      if (d.length > length) throw new SshFormatError('the private number is longer than its curve allows')
      return { ...jwk, d: base64url(Buffer.concat([Buffer.alloc(length - d.length), d])) }
    }
    case 'rsa': {
      secret.positive()
      secret.positive()
      const [d, qi, p, q] = [secret.positive(), secret.positive(), secret.positive(), secret.positive()]
      const [dn, pn, qn] = [numberOf(d), numberOf(p), numberOf(q)]
      if (pn < 3n || qn < 3n) throw new SshFormatError('its primes are none')
      return { ...jwk, d: base64url(d), p: base64url(p), q: base64url(q), dp: base64url(bytesOf(dn % (pn - 1n))), dq: base64url(bytesOf(dn % (qn - 1n))), qi: base64url(qi) }
    }
    default:
      throw new SshFormatError(`keys of type ${type} cannot be used without somebody to touch them`)
  }
}

function mpint(raw: Uint8Array): Buffer {
  const start = raw.findIndex((octet) => octet !== 0)
  const bytes = raw.subarray(start < 0 ? raw.length : start)
  return sshString((bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function bytesOf(value: bigint): Uint8Array {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
