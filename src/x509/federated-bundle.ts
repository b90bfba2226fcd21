import { createPublicKey } from 'node:crypto'
import { toHex } from '../core/bytes.ts'
import { MayflyError } from '../core/errors.ts'
import { federationLimits } from '../core/federated-bundle.ts'
import type { FederatedBundle, JwtAuthority } from '../core/federated-bundle.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import { encodeBundle, parseBundle } from './bundle.ts'
import { parseCertificate } from './certificate.ts'
import { decodeCertificatesPem } from './pem.ts'
import { keyKindOf, importPublicKey, viewOf } from './spki.ts'

const maxSpkiBytes = 2_048
const maxDocumentBytes = 1_048_576
/** Of a public JWK. */
const keyMembers = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const

/**
 * The bundle of another trust domain, within the bounds and such that every verifier can use it: each authority is one certificate of a CA with a key of a supported
 * kind. What is there twice is kept once. Whether an authority is in its time is looked at when something is verified by it.
 * @throws {MayflyError} CERTIFICATE_INVALID, LIMIT_EXCEEDED
 */
export function checkFederatedBundle(bundle: FederatedBundle): FederatedBundle {
  const { x509Authorities, jwtAuthorities, sequence, refreshHintSeconds } = bundle
  if (x509Authorities.length > federationLimits.authorities || jwtAuthorities.length > federationLimits.authorities) tooLong(`has more than ${federationLimits.authorities} authorities`)
  if (!(sequence >= 0)) invalid('its sequence number is negative')
  if (!Number.isSafeInteger(refreshHintSeconds) || refreshHintSeconds < 0) invalid('its refresh hint is negative')
  const bytes = x509Authorities.reduce((sum, { length }) => sum + length, 0) + jwtAuthorities.reduce((sum, { publicKey, keyId }) => sum + publicKey.length + keyId.length, 0)
  if (bytes > federationLimits.bundleBytes) tooLong(`is longer than ${federationLimits.bundleBytes} bytes`)
  for (const [at, der] of x509Authorities.entries()) checkAuthority(der, at + 1)
  for (const [at, key] of jwtAuthorities.entries()) checkKey(key, at + 1)
  if (new Set(jwtAuthorities.map(({ keyId }) => keyId)).size < jwtAuthorities.length) invalid('two JWT authorities have one key ID')
  const each = new Map(x509Authorities.map((der) => [toHex(der), der]))
  return { ...bundle, x509Authorities: [...each.values()] }
}

/**
 * A bundle as others publish it: a SPIFFE bundle document (a JWK Set), or certificates in PEM. Keys of unknown use are passed over, as the standard says (TDB-08); a JWT key
 * without an ID is damaged. The bundle does not name itself: its trust domain stands beside it (TDB-01). @throws {MayflyError} CERTIFICATE_INVALID, LIMIT_EXCEEDED
 */
export function parseFederatedBundle(trustDomain: TrustDomain, text: string): FederatedBundle {
  if (text.length > maxDocumentBytes) tooLong(`is longer than ${maxDocumentBytes} bytes`)
  if (!text.trimStart().startsWith('{')) {
    return checkFederatedBundle({ trustDomain, x509Authorities: decodeCertificatesPem(text), jwtAuthorities: [], sequence: 0, refreshHintSeconds: 0 })
  }
  const { x509Authorities, sequence, refreshHintSeconds } = parseBundle(trustDomain, text)
  return checkFederatedBundle({ trustDomain, x509Authorities, jwtAuthorities: jwtAuthoritiesIn(text), sequence: Number(sequence ?? 0n), refreshHintSeconds: refreshHintSeconds ?? 0 })
}

/** As a SPIFFE bundle document, with the keys of tokens. @throws {MayflyError} CERTIFICATE_INVALID */
export function encodeFederatedBundle({ trustDomain, x509Authorities, jwtAuthorities, sequence, refreshHintSeconds }: FederatedBundle): string {
  const text = encodeBundle({ trustDomain, x509Authorities, sequence: sequence === 0 ? undefined : BigInt(sequence), refreshHintSeconds: refreshHintSeconds === 0 ? undefined : refreshHintSeconds })
  if (jwtAuthorities.length === 0) return text
  const { keys, ...rest } = JSON.parse(text) as { readonly keys: readonly unknown[] } // encodeBundle made it
  return JSON.stringify({ keys: [...keys, ...jwtAuthorities.map(({ keyId, publicKey }) => ({ use: 'jwt-svid', kid: keyId, ...importPublicKey(publicKey).export({ format: 'jwk' }) }))], ...rest })
}

function checkAuthority(der: Uint8Array, number: number): void {
  if (der.length > federationLimits.certificateBytes) tooLong(`has an authority of more than ${federationLimits.certificateBytes} bytes`)
  const { spki, extensions } = parseCertificate(der)
  if (extensions.basicConstraints?.ca !== true) invalid(`certificate ${number} is not that of an authority: it has no basic constraints that say so`)
  if (keyKindOf(spki) === undefined) invalid(`authority ${number} has a key of a kind that is not supported`, 'P-256, P-384, RSA of 2048 to 4096 bits and Ed25519 are')
  importPublicKey(spki)
}

function checkKey({ keyId, publicKey, expiresAtSeconds }: JwtAuthority, number: number): void {
  if (keyId === '' || keyId.length > federationLimits.keyIdLength) invalid(`JWT authority ${number} has no key ID of 1 to ${federationLimits.keyIdLength} characters`)
  if (!Number.isSafeInteger(expiresAtSeconds) || expiresAtSeconds < 0) invalid(`JWT authority ${number} expires at no time`)
  if (publicKey.length > maxSpkiBytes) tooLong(`has a JWT key of more than ${maxSpkiBytes} bytes`)
  importPublicKey(publicKey)
}

/** Of a text that parseBundle took: an object with a list of keys. */
function jwtAuthoritiesIn(text: string): readonly JwtAuthority[] {
  const { keys } = JSON.parse(text) as { readonly keys: readonly unknown[] } // parseBundle has looked
  return keys.flatMap((jwk) => {
    if (typeof jwk !== 'object' || jwk === null || Reflect.get(jwk, 'use') !== 'jwt-svid') return []
    const keyId: unknown = Reflect.get(jwk, 'kid')
    if (typeof keyId !== 'string') return invalid('a JWT key has no kid')
    return [{ keyId, publicKey: spkiOf(jwk), expiresAtSeconds: 0 }]
  })
}

function spkiOf(jwk: object): Uint8Array {
  const members = keyMembers.flatMap((name): readonly (readonly [string, string])[] => {
    const value: unknown = Reflect.get(jwk, name)
    return typeof value === 'string' ? [[name, value]] : []
  })
  try {
    return new Uint8Array(viewOf(createPublicKey({ key: Object.fromEntries(members), format: 'jwk' }).export({ type: 'spki', format: 'der' })))
  } catch (cause) {
    throw new MayflyError('CERTIFICATE_INVALID', 'not a trust bundle: a JWT key is none', { cause })
  }
}

function invalid(why: string, hint?: string): never {
  throw new MayflyError('CERTIFICATE_INVALID', `not a trust bundle that can be used: ${why}`, hint === undefined ? {} : { hint })
}

function tooLong(why: string): never {
  throw new MayflyError('LIMIT_EXCEEDED', `the bundle ${why}`)
}
