import { toHex } from './bytes.ts'
import { MayflyError } from './errors.ts'
import { parseTrustDomain } from './spiffe-id.ts'
import type { TrustDomain } from './spiffe-id.ts'

/** What an agent needs to join: where the server is, the token, and what to hold the server's bundle against. */
export interface JoinLine {
  /** `host:port` of the server. */
  readonly address: string
  readonly token: string
  readonly trustDomain: TrustDomain
  /** SHA-256 over the trust bundle, 64 hexadecimal digits of lower case. */
  readonly bundleDigest: string
}

const prefix = 'mayfly-join:v1:'
const maxLength = 2048

/** One line without spaces: `mayfly-join:v1:<base64url of JSON>`. It holds a secret. */
export function formatJoinLine(line: JoinLine): string {
  const json = JSON.stringify({ a: line.address, t: line.token, d: line.trustDomain, p: line.bundleDigest })
  return prefix + btoa(json).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Strict: these four members and no other. Messages never repeat the line, which holds a secret. @throws {MayflyError} JOIN_LINE_INVALID */
export function parseJoinLine(text: string): JoinLine {
  const line = text.trim()
  if (line.length > maxLength) throw invalid('it is too long')
  if (!line.startsWith(prefix)) throw invalid(`it does not begin with ${prefix}`)
  const fields = decode(line.slice(prefix.length))
  const { a: address, t: token, d: domain, p: bundleDigest, ...others } = fields
  if (Object.keys(others).length > 0) throw invalid('it has members of a later version')
  if (typeof address !== 'string' || !isAddress(address)) throw invalid('its address is not host:port')
  if (typeof token !== 'string' || !/^[a-zA-Z0-9._-]{16,255}$/.test(token)) throw invalid('its token is not one')
  if (typeof bundleDigest !== 'string' || !/^[0-9a-f]{64}$/.test(bundleDigest)) throw invalid('its bundle digest is not a SHA-256')
  if (typeof domain !== 'string') throw invalid('its trust domain is missing')
  return { address, token, trustDomain: trustDomainOf(domain), bundleDigest }
}

/**
 * The last segment of the ID of the agent that a token will make: a UUID (version 8) found from the token, from which the token cannot be found.
 * Whoever makes a token can so name the agent's entries before it has joined.
 */
export function agentNameOf(token: string, sha256: (bytes: Uint8Array) => Uint8Array): string {
  const bytes = sha256(new TextEncoder().encode(`mayfly agent of token ${token}`)).slice(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = toHex(bytes)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function decode(base64url: string): Readonly<Record<string, unknown>> {
  if (!/^[A-Za-z0-9_-]+$/.test(base64url)) throw invalid('it is not base64url')
  try {
    const json: unknown = JSON.parse(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')))
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown> // an object of JSON
  } catch {
    throw invalid('it was cut or changed')
  }
  throw invalid('it was cut or changed')
}

function trustDomainOf(text: string): TrustDomain {
  try {
    return parseTrustDomain(text)
  } catch {
    throw invalid('its trust domain is not a name of one')
  }
}

function invalid(why: string): MayflyError {
  return new MayflyError('JOIN_LINE_INVALID', `not a join line: ${why}`, { hint: 'copy the whole line that `mayfly token create` printed' })
}

/** `host:port` as a join line may have it: a name, an IPv4 address, or an IPv6 address in brackets. */
export function isAddress(text: string): boolean {
  return /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+):\d{1,5}$/.test(text)
}

/** Every address of the machine, as a server listens on: no way to it from another machine. */
export function listensAnywhere(address: string): boolean {
  return /^(0\.0\.0\.0|\[[0:]*\]):/.test(address)
}
