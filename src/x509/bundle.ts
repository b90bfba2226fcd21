import { createHash } from 'node:crypto'
import { compareBytes } from '../core/bytes.ts'
import { MayflyError } from '../core/errors.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import { parseCertificate } from './certificate.ts'
import { decodeBase64 } from './pem.ts'
import { keyKindOf, importPublicKey, viewOf } from './spki.ts'

/** The authorities of one trust domain; the name stands beside them because a bundle does not name itself (TDB-01). */
export interface TrustBundle {
  readonly trustDomain: TrustDomain
  /** DER certificates. Empty: every X.509-SVID of the trust domain is untrusted (TDB-09, X509-23). */
  readonly x509Authorities: readonly Uint8Array[]
  /** Rises with every change (TDB-04); `undefined` when its publisher sets none. */
  readonly sequence: bigint | undefined
  /** How often to ask again; `undefined` when its publisher does not say: take five minutes (TDB-06). */
  readonly refreshHintSeconds: number | undefined
}

const maxBundleBytes = 4_194_304
const maxKeys = 10_000

/** The SPIFFE trust bundle format: a JWK Set with one `x509-svid` key an authority (TDB-03..11, X509-21). @throws {MayflyError} CERTIFICATE_INVALID */
export function encodeBundle(bundle: TrustBundle): string {
  const members = [
    `"keys":${JSON.stringify(bundle.x509Authorities.map(jwkOf))}`,
    ...(bundle.sequence === undefined ? [] : [`"spiffe_sequence":${bundle.sequence}`]),
    ...(bundle.refreshHintSeconds === undefined ? [] : [`"spiffe_refresh_hint":${Math.trunc(bundle.refreshHintSeconds)}`]),
  ]
  return `{${members.join(',')}}`
}

/**
 * Reads what others publish: unknown members are passed over, so is each key with an unknown `kty`, without or with an unknown `use`, without
 * `x5c` or with an empty one, and every `x5c` value after the first (TDB-08, X509-22). What a key says that is not true of a certificate fails.
 * @throws {MayflyError} CERTIFICATE_INVALID
 */
export function parseBundle(trustDomain: TrustDomain, text: string): TrustBundle {
  if (text.length > maxBundleBytes) invalid(`longer than ${maxBundleBytes} bytes`)
  const { keys, spiffe_sequence: sequence, spiffe_refresh_hint: refreshHint } = parseObject(text)
  if (!Array.isArray(keys)) return invalid('there is no list of keys (TDB-07)')
  if (keys.length > maxKeys) invalid(`more than ${maxKeys} keys`)
  if (sequence !== undefined && (typeof sequence !== 'string' || !/^integer -?[0-9]{1,40}$/.test(sequence))) invalid('spiffe_sequence is no integer')
  if (refreshHint !== undefined && !(typeof refreshHint === 'number' && Number.isSafeInteger(refreshHint))) invalid('spiffe_refresh_hint is no integer')
  return {
    trustDomain,
    x509Authorities: keys.flatMap(authorityOf),
    sequence: typeof sequence === 'string' ? BigInt(sequence.slice('integer '.length)) : undefined,
    refreshHintSeconds: typeof refreshHint === 'number' ? refreshHint : undefined,
  }
}

/** SHA-256 over the authorities in the order of their bytes, each after its length in 4 bytes, big endian: what a join line pins, whatever the format that brought them. 32 bytes. */
export function bundleDigest(authorities: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const der of authorities.toSorted(compareBytes)) {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, der.length)
    hash.update(length).update(der)
  }
  return new Uint8Array(hash.digest())
}

function jwkOf(der: Uint8Array): Record<string, unknown> {
  const { spki } = parseCertificate(der)
  const kind = keyKindOf(spki)
  if (kind === undefined) invalid('an authority has a key of a kind that is not supported')
  return { use: 'x509-svid', ...importPublicKey(spki).export({ format: 'jwk' }), x5c: [viewOf(der).toString('base64')] }
}

function authorityOf(jwk: unknown): readonly Uint8Array[] {
  if (!isObject(jwk)) return invalid('a key is no object')
  if (!['EC', 'RSA', 'OKP'].includes(String(jwk['kty'])) || jwk['use'] !== 'x509-svid') return []
  const chain = jwk['x5c']
  if (!Array.isArray(chain) || chain.length === 0) return []
  const first: unknown = chain[0]
  if (typeof first !== 'string') return invalid('x5c holds no text')
  const der = decodeBase64(first)
  parseCertificate(der)
  return [der]
}

/** The sequence comes as text, so that 64 bits survive (TDB-05), marked, so that a text is told from a number: a quote inside a JSON string is escaped, so this matches member names alone. */
function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/"spiffe_sequence"\s*:\s*(-?[0-9]+)(?=\s*[,}])/g, '"spiffe_sequence":"integer $1"'))
  } catch {
    return invalid('not JSON')
  }
  return isObject(value) ? value : invalid('not a JSON object')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(why: string): never {
  throw new MayflyError('CERTIFICATE_INVALID', `not a trust bundle: ${why}`)
}
