import { MayflyError } from './errors.ts'

/** Where a revocation stream is served: a Unix socket, TLS with SVIDs on both sides, or, on this machine alone, TCP in the clear. */
export type StreamPlace = { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'tls'; readonly host: string; readonly port: number } | { readonly kind: 'plain'; readonly host: string; readonly port: number }

/**
 * Parses `unix:/path`, `host:port` (TLS), or `plain:127.0.0.1:port`, which must be a loopback address: what verifiers report does not leave a machine in the clear.
 * @param leastPort 0 where any free one will do @throws {MayflyError} ENDPOINT_INVALID
 */
export function parseStreamPlace(text: string, leastPort: 0 | 1 = 1): StreamPlace {
  if (text.startsWith('unix:')) {
    const path = text.replace(/^unix:(\/\/)?/, '')
    return path.startsWith('/') && !path.endsWith('/') && !path.includes('\0') && path.length <= maxPathLength ? { kind: 'unix', path } : invalid(text, 'the path of a socket is absolute and at most 107 bytes long')
  }
  const isPlain = text.startsWith('plain:')
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([a-zA-Z0-9._-]{1,253})):(\d{1,5})$/.exec(isPlain ? text.slice('plain:'.length) : text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || !(port >= leastPort && port <= 65_535)) return invalid(text, 'a host and a port are wanted')
  if (!isPlain) return { kind: 'tls', host, port }
  return isLoopback(host) ? { kind: 'plain', host, port } : invalid(text, 'in the clear only a loopback address is spoken to')
}

/** As it is written. */
export function formatStreamPlace(place: StreamPlace): string {
  if (place.kind === 'unix') return `unix:${place.path}`
  return `${place.kind === 'plain' ? 'plain:' : ''}${hostPortOf(place)}`
}

export function hostPortOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const maxPathLength = 107

/** A number, not a name that somebody could resolve to elsewhere. */
function isLoopback(host: string): boolean {
  return host === '::1' || /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.test(host)
}

function invalid(text: string, why: string): never {
  throw new MayflyError('ENDPOINT_INVALID', `not a place that a revocation stream is served at: ${text}: ${why}`, { hint: 'unix:/path/of/socket, host:port with TLS, or plain:127.0.0.1:port' })
}
