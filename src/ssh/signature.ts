import { createHash, verify } from 'node:crypto'
import { parsePublicKeyBlob, type SshPublicKey } from './public-key.ts'
import { SshFormatError, SshReader, sshString } from './reader.ts'

/** A signature that was made with the key in it over the given message: whose key that is, the caller must ask. */
export interface VerifiedSignature {
  readonly signer: SshPublicKey
  /** SHA-256 over the whole blob, hexadecimal: what single use goes by together with the message. */
  readonly hash: string
}

export type SignatureProblem = 'malformed' | 'wrong_namespace' | 'wrong_signature' | 'untouched'

const magic = 'SSHSIG'
const maxArmouredChars = 8_192
/** Flag of the sk- kinds: somebody touched the key. */
const userPresent = 0x01

/**
 * Verifies an armoured signature of `ssh-keygen -Y sign` (PROTOCOL.sshsig of OpenSSH) over a message in a namespace. Returns the problem instead of
 * throwing: a signature is a claim of a stranger. SHA-1 is never taken.
 */
export function verifySshSignature(armoured: string, message: Uint8Array, namespace: string): VerifiedSignature | { readonly problem: SignatureProblem; readonly detail: string } {
  try {
    const blob = disarm(armoured)
    const parsed = parse(blob)
    if (parsed.namespace !== namespace) return { problem: 'wrong_namespace', detail: `it was made for ${parsed.namespace}, not for ${namespace}` }
    const signed = Buffer.concat([Buffer.from(magic), sshString(namespace), sshString(''), sshString(parsed.hashName), sshString(createHash(parsed.hashName).update(message).digest())])
    const outcome = checkSshSignature(parsed.signer, parsed.signature, signed)
    if (outcome !== 'good') return { problem: outcome, detail: outcome === 'untouched' ? 'the security key was not touched' : 'it is not over this message, or not by this key' }
    return { signer: parsed.signer, hash: createHash('sha256').update(blob).digest('hex') }
  } catch (error) {
    if (error instanceof SshFormatError) return { problem: 'malformed', detail: error.message }
    throw error
  }
}

interface Parsed {
  readonly signer: SshPublicKey
  readonly namespace: string
  readonly hashName: 'sha256' | 'sha512'
  readonly signature: Uint8Array
}

function disarm(armoured: string): Uint8Array {
  if (armoured.length > maxArmouredChars) throw new SshFormatError('it is too long')
  const [, body] = /^-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)\n-----END SSH SIGNATURE-----\s*$/.exec(armoured.trimStart()) ?? []
  if (body === undefined) throw new SshFormatError('it is not armoured as ssh-keygen does it')
  const text = body.replaceAll(/[\r\n]/g, '')
  const blob = Buffer.from(text, 'base64')
  if (blob.toString('base64') !== text) throw new SshFormatError('its base64 is not canonical')
  return blob
}

function parse(blob: Uint8Array): Parsed {
  const reader = new SshReader(blob)
  if (Buffer.from(reader.bytes(magic.length)).toString('latin1') !== magic) throw new SshFormatError('it does not begin as one')
  const version = reader.uint32()
  if (version !== 1) throw new SshFormatError(`it is of version ${version}`)
  const signer = parsePublicKeyBlob(reader.string())
  const namespace = reader.name()
  reader.string() // reserved: verifiers ignore it, and it is signed as empty
  const hashName = reader.name()
  if (hashName !== 'sha256' && hashName !== 'sha512') throw new SshFormatError(`its hash is ${hashName}`)
  const signature = reader.string()
  reader.end()
  return { signer, namespace, hashName, signature }
}

export type SshSignatureOutcome = 'good' | 'wrong_signature' | 'untouched'

/** A signature as RFC 4253 6.6 has it, algorithm and value, over these bytes. SHA-1 is never taken. @throws {SshFormatError} */
export function checkSshSignature(signer: SshPublicKey, signature: Uint8Array, signed: Uint8Array): SshSignatureOutcome {
  const reader = new SshReader(signature)
  const algorithm = reader.name()
  const value = reader.string()
  if (signer.kind !== 'sk-ed25519' && signer.kind !== 'sk-ecdsa') {
    reader.end()
    return verifySshBytes(signer, algorithm, value, signed, false) ? 'good' : 'wrong_signature'
  }
  const flags = reader.byte()
  const counter = Buffer.from(reader.bytes(4))
  reader.end()
  const data = Buffer.concat([sha256(Buffer.from(signer.application)), Buffer.of(flags), counter, sha256(signed)])
  const good = signer.kind === 'sk-ed25519' ? verify(null, data, signer.key, value) : verifyEcdsa(signer, data, value)
  if (algorithm !== signer.type || !good) return 'wrong_signature'
  return (flags & userPresent) === 0 ? 'untouched' : 'good'
}

/** A value of this algorithm over these bytes, by a key that needs no touch: false for the `sk-` kinds. @param allowSha1 takes `ssh-rsa` @throws {SshFormatError} */
export function verifySshBytes(signer: SshPublicKey, algorithm: string, value: Uint8Array, signed: Uint8Array, allowSha1: boolean): boolean {
  switch (signer.kind) {
    case 'ed25519':
      return algorithm === signer.type && verify(null, signed, signer.key, value)
    case 'rsa': {
      const hash = algorithm === 'ssh-rsa' && allowSha1 ? 'sha1' : { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }[algorithm]
      return hash !== undefined && verify(hash, signed, signer.key, value)
    }
    case 'ecdsa':
      return algorithm === signer.type && verifyEcdsa(signer, signed, value)
    case 'sk-ed25519':
    case 'sk-ecdsa':
      return false
    default:
      return signer.kind satisfies never
  }
}

/** r and s, an `mpint` each, in the curve's own length: what node:crypto calls ieee-p1363. */
function verifyEcdsa(signer: SshPublicKey, data: Uint8Array, value: Uint8Array): boolean {
  const { bytes, hash } = curveOf(signer)
  const reader = new SshReader(value)
  const [r, s] = [reader.positive(), reader.positive()]
  reader.end()
  if (r.length > bytes || s.length > bytes) return false
  const raw = Buffer.alloc(2 * bytes)
  raw.set(r, bytes - r.length)
  raw.set(s, 2 * bytes - s.length)
  return verify(hash, data, { key: signer.key, dsaEncoding: 'ieee-p1363' }, raw)
}

function curveOf({ key }: SshPublicKey): { bytes: number; hash: string } {
  switch (key.asymmetricKeyDetails?.namedCurve) {
    case 'secp384r1':
      return { bytes: 48, hash: 'sha384' }
    case 'secp521r1':
      return { bytes: 66, hash: 'sha512' }
    default:
      return { bytes: 32, hash: 'sha256' }
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
