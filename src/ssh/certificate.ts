import { parsePublicKeyBlob, readPublicKey } from './public-key.ts'
import type { SshPublicKey } from './public-key.ts'
import { SshFormatError, SshReader } from './reader.ts'
import { checkSshSignature } from './signature.ts'

/** An OpenSSH certificate (PROTOCOL.certkeys) taken apart. Its signature is its authority's; whether that authority is anyone's, its caller must ask. */
export interface SshCertificate {
  /** As it came: what fingerprints of it are over. */
  readonly blob: Uint8Array
  readonly key: SshPublicKey
  readonly serial: bigint
  readonly use: 'user' | 'host'
  readonly keyId: string
  /** Names that it is good for; empty: any, which nobody here takes. */
  readonly principals: readonly string[]
  /** Seconds since the epoch, inclusive. */
  readonly validAfterS: bigint
  /** Seconds since the epoch, exclusive; all ones: for ever. */
  readonly validBeforeS: bigint
  /** Names of options that whoever does not know them must refuse. */
  readonly criticalOptions: readonly string[]
  readonly authority: SshPublicKey
}

const suffix = '-cert-v01@openssh.com'
const maxBlobBytes = 16_384
const maxPrincipals = 64
const maxOptions = 32

/** Parses strictly and checks the signature of the authority named in it. @throws {SshFormatError} also when the signature does not verify */
export function parseSshCertificate(blob: Uint8Array): SshCertificate {
  if (blob.length > maxBlobBytes) throw new SshFormatError('the certificate is too long')
  const reader = new SshReader(blob)
  const type = reader.name()
  if (!type.endsWith(suffix)) throw new SshFormatError(`${type} is no certificate`)
  if (reader.string().length > 256) throw new SshFormatError('the nonce is too long')
  const key = readPublicKey(type.slice(0, -suffix.length), reader)
  const serial = reader.uint64()
  const use = useOf(reader.uint32())
  const keyId = textOf(reader.string())
  const principals = namesOf(reader.string(), maxPrincipals)
  const validAfterS = reader.uint64()
  const validBeforeS = reader.uint64()
  const criticalOptions = optionsOf(reader.string())
  optionsOf(reader.string()) // extensions: may be passed over, and are, but must be well-formed
  if (reader.string().length > 0) throw new SshFormatError('its reserved field is not empty')
  const authority = parsePublicKeyBlob(reader.string())
  const signed = reader.since(0)
  const signature = reader.string()
  reader.end()
  if (checkSshSignature(authority, signature, signed) !== 'good') throw new SshFormatError('the signature of its authority does not verify')
  return { blob, key, serial, use, keyId, principals, validAfterS, validBeforeS, criticalOptions, authority }
}

/** The blob in a line of a `-cert.pub` file. @throws {SshFormatError} */
export function readCertificateLine(text: string): Uint8Array {
  const [, base64] = /^[a-z0-9@.-]{1,80} ([A-Za-z0-9+/]{20,24000}={0,2})(?: [^\r\n]*)?$/.exec(text.trim()) ?? []
  if (base64 === undefined) throw new SshFormatError('it is no line as ssh-keygen writes it')
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

function useOf(number: number): 'user' | 'host' {
  if (number === 1) return 'user'
  if (number === 2) return 'host'
  throw new SshFormatError(`it is for use ${number}, which is none`)
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length > 1_024) throw new SshFormatError('a text is too long')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new SshFormatError('a text is not UTF-8')
  }
}

function namesOf(packed: Uint8Array, most: number): readonly string[] {
  const reader = new SshReader(packed)
  const names: string[] = []
  while (!reader.done) {
    names.push(reader.name())
    if (names.length > most) throw new SshFormatError(`it has more than ${most} names`)
  }
  return names
}

/** Names of options, which come in ascending order and once each. */
function optionsOf(packed: Uint8Array): readonly string[] {
  const reader = new SshReader(packed)
  const names: string[] = []
  while (!reader.done) {
    const name = reader.name()
    reader.string()
    const last = names.at(-1)
    if (last !== undefined && last >= name) throw new SshFormatError('its options are not in order')
    names.push(name)
    if (names.length > maxOptions) throw new SshFormatError(`it has more than ${maxOptions} options`)
  }
  return names
}
