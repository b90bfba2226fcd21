import { MayflyError } from './errors.ts'

declare const spiffeIdBrand: unique symbol
declare const trustDomainBrand: unique symbol

/** A valid SPIFFE ID in its one spelling, `spiffe://<trust domain>[/<path>]`; only {@link parseSpiffeId} makes one. Compare with `===`. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: 'SpiffeId' }

/** A valid trust domain name, without scheme; only {@link parseTrustDomain} makes one. Compare with `===`. */
export type TrustDomain = string & { readonly [trustDomainBrand]: 'TrustDomain' }

const scheme = 'spiffe://'
const maxIdBytes = 2048
const maxTrustDomainBytes = 255

/** Parses strictly: SPIFFE-ID 2, lower-case host, no empty or dot segments. @throws {MayflyError} SPIFFE_ID_INVALID */
export function parseSpiffeId(text: string): SpiffeId {
  const problem = problemOfSpiffeId(text)
  if (problem !== undefined) {
    throw new MayflyError('SPIFFE_ID_INVALID', `not a SPIFFE ID: ${problem}`, { hint: 'write it as spiffe://<trust domain>/<path>' })
  }
  return text as SpiffeId // the one place that makes the brand
}

/** @throws {MayflyError} SPIFFE_ID_INVALID */
export function parseTrustDomain(text: string): TrustDomain {
  const problem = problemOfTrustDomain(text)
  if (problem !== undefined) throw new MayflyError('SPIFFE_ID_INVALID', `not a trust domain name: ${problem}`)
  return text as TrustDomain // the one place that makes the brand
}

export function isSpiffeId(text: string): text is SpiffeId {
  return problemOfSpiffeId(text) === undefined
}

export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf('/', scheme.length)
  return (slash < 0 ? id.slice(scheme.length) : id.slice(scheme.length, slash)) as TrustDomain // part of a valid ID
}

/** The path with its leading slash; empty for the ID of the trust domain itself. */
export function pathOf(id: SpiffeId): string {
  const slash = id.indexOf('/', scheme.length)
  return slash < 0 ? '' : id.slice(slash)
}

export function segmentsOf(id: SpiffeId): readonly string[] {
  return pathOf(id).split('/').slice(1)
}

export function trustDomainId(trustDomain: TrustDomain): SpiffeId {
  return `${scheme}${trustDomain}` as SpiffeId // a trust domain's own ID is valid by SPIFFE-ID 2.1
}

/** @param path with its leading slash, or empty. @throws {MayflyError} SPIFFE_ID_INVALID */
export function spiffeIdOf(trustDomain: TrustDomain, path: string): SpiffeId {
  return parseSpiffeId(`${scheme}${trustDomain}${path}`)
}

/** The server of a trust domain, as SPIRE's clients require it. */
export function serverIdOf(trustDomain: TrustDomain): SpiffeId {
  return spiffeIdOf(trustDomain, '/spire/server')
}

/** Whether the ID is in the namespace of the issuer itself (`/spire/…`), which no workload may have. */
export function isReserved(id: SpiffeId): boolean {
  return segmentsOf(id)[0] === 'spire'
}

export function isAgentId(id: SpiffeId): boolean {
  const [first, second, ...rest] = segmentsOf(id)
  return first === 'spire' && second === 'agent' && rest.length > 0
}

/** Whether a path segment is reserved for grants (`task`, `sub`). */
export function hasGrantSegment(id: SpiffeId): boolean {
  return segmentsOf(id).some((segment) => segment === 'task' || segment === 'sub')
}

function problemOfSpiffeId(text: string): string | undefined {
  if (text.length > maxIdBytes) return `longer than ${maxIdBytes} bytes`
  if (!text.startsWith(scheme)) return 'the scheme is not spiffe'
  const rest = text.slice(scheme.length)
  const slash = rest.indexOf('/')
  const hostProblem = problemOfTrustDomain(slash < 0 ? rest : rest.slice(0, slash))
  if (hostProblem !== undefined) return hostProblem
  return slash < 0 ? undefined : problemOfPath(rest.slice(slash))
}

function problemOfTrustDomain(host: string): string | undefined {
  if (host === '') return 'the trust domain is empty'
  if (host.length > maxTrustDomainBytes) return `the trust domain is longer than ${maxTrustDomainBytes} bytes`
  if (!/^[a-z0-9._-]+$/.test(host)) return 'the trust domain has a character outside a-z 0-9 . _ -'
  return undefined
}

function problemOfPath(path: string): string | undefined {
  for (const segment of path.split('/').slice(1)) {
    if (segment === '') return 'the path has an empty segment or a trailing slash'
    if (segment === '.' || segment === '..') return 'the path has a dot segment'
    if (!/^[a-zA-Z0-9._-]+$/.test(segment)) return 'the path has a character outside a-z A-Z 0-9 . _ -'
  }
  return undefined
}
