import { createHash, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { MayflyError } from '../core/errors.ts'
import { SshFormatError, SshReader, sshString } from './reader.ts'

export type SshKeyKind = 'ed25519' | 'ecdsa' | 'rsa' | 'sk-ed25519' | 'sk-ecdsa'

/** The public key of a person. */
export interface SshPublicKey {
  readonly kind: SshKeyKind
  /** As in authorized_keys, `ssh-ed25519`. */
  readonly type: string
  /** The bytes that OpenSSH knows it by; two keys are the same when these are. */
  readonly blob: Uint8Array
  readonly key: KeyObject
  /** Of a hardware-backed key: what it was made for, usually `ssh:`. Empty for others. */
  readonly application: string
  /** `SHA256:…`, as ssh-keygen -l prints it. */
  readonly fingerprint: string
}

const maxBlobBytes = 2_200
const minRsaBits = 2_048
const curves: Readonly<Record<string, { readonly curve: string; readonly bytes: number }>> = {
  nistp256: { curve: 'P-256', bytes: 32 },
  nistp384: { curve: 'P-384', bytes: 48 },
  nistp521: { curve: 'P-521', bytes: 66 },
}

/**
 * Parses a line of authorized_keys: type, base64, comment. Options before the type are refused: they would be ignored.
 * @throws {MayflyError} INVALID_ARGUMENT
 */
export function parseAuthorizedKey(line: string): SshPublicKey {
  const [, type, text] = /^([a-z0-9@.-]{1,64}) ([A-Za-z0-9+/]{20,3000}={0,2})(?: [^\r\n]{0,200})?$/.exec(line.trim()) ?? []
  if (type === undefined || text === undefined) throw refused('it is no line as ssh-keygen writes it')
  try {
    const key = parsePublicKeyBlob(Buffer.from(text, 'base64'))
    if (key.type !== type) throw new SshFormatError(`it says ${type} and is ${key.type}`)
    return key
  } catch (error) {
    if (error instanceof SshFormatError) throw refused(error.message)
    throw error
  }
}

/** @throws {SshFormatError} */
export function parsePublicKeyBlob(blob: Uint8Array): SshPublicKey {
  if (blob.length > maxBlobBytes) throw new SshFormatError('the key is too long')
  const reader = new SshReader(blob)
  const key = readPublicKey(reader.name(), reader)
  reader.end()
  return key
}

/** The fields of a key of this type, from where a reader stands; what follows them is not looked at. @throws {SshFormatError} */
export function readPublicKey(type: string, reader: SshReader): SshPublicKey {
  const start = reader.mark()
  const { kind, jwk, application } = bodyOf(type, reader)
  const blob = new Uint8Array(Buffer.concat([sshString(type), reader.since(start)]))
  return { kind, type, blob, key: keyOf(jwk), application, fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}` }
}

interface Body {
  readonly kind: SshKeyKind
  readonly jwk: Record<string, string>
  readonly application: string
}

function bodyOf(type: string, reader: SshReader): Body {
  switch (type) {
    case 'ssh-ed25519':
      return { kind: 'ed25519', jwk: ed25519(reader), application: '' }
    case 'sk-ssh-ed25519@openssh.com':
      return { kind: 'sk-ed25519', jwk: ed25519(reader), application: reader.name() }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return { kind: 'ecdsa', jwk: ecdsa(reader, type.slice('ecdsa-sha2-'.length)), application: '' }
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return { kind: 'sk-ecdsa', jwk: ecdsa(reader, 'nistp256'), application: reader.name() }
    case 'ssh-rsa':
      return { kind: 'rsa', jwk: rsa(reader), application: '' }
    default:
      throw new SshFormatError(`keys of type ${type} are not taken`)
  }
}

function ed25519(reader: SshReader): Record<string, string> {
  const point = reader.string()
  if (point.length !== 32) throw new SshFormatError('an Ed25519 key has 32 bytes')
  return { kty: 'OKP', crv: 'Ed25519', x: base64url(point) }
}

function ecdsa(reader: SshReader, expected: string): Record<string, string> {
  const name = reader.name()
  const found = curves[name]
  if (found === undefined || name !== expected) throw new SshFormatError('the curve is not that of the type')
  const point = reader.string()
  if (point.length !== 1 + 2 * found.bytes || point[0] !== 4) throw new SshFormatError('the point is not an uncompressed one of its curve')
  return { kty: 'EC', crv: found.curve, x: base64url(point.subarray(1, 1 + found.bytes)), y: base64url(point.subarray(1 + found.bytes)) }
}

function rsa(reader: SshReader): Record<string, string> {
  const e = reader.positive()
  const n = reader.positive()
  const bits = n.length * 8 - Math.clz32(n[0] ?? 0) + 24
  if (bits < minRsaBits) throw new SshFormatError(`an RSA key of ${bits} bits: at least ${minRsaBits}`)
  if (e.length > 4) throw new SshFormatError('the exponent of the RSA key is too long')
  return { kty: 'RSA', n: base64url(n), e: base64url(e) }
}

function keyOf(jwk: Record<string, string>): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    throw new SshFormatError('the key is not on its curve')
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function refused(what: string): MayflyError {
  return new MayflyError('INVALID_ARGUMENT', `not an OpenSSH public key: ${what}`, { hint: 'give one line of a .pub file, as ~/.ssh/id_ed25519.pub' })
}
