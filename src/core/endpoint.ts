import { MayflyError } from './errors.ts'

/** Where a Workload API is served: Workload Endpoint 4. */
export type Endpoint = { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/**
 * Parses the value of `SPIFFE_ENDPOINT_SOCKET`: `unix:///absolute/path` (EP-09) or `tcp://<IP>:<port>` (EP-10), an IPv6 address in
 * brackets, and nothing else in either. @throws {MayflyError} ENDPOINT_INVALID
 */
export function parseEndpoint(text: string): Endpoint {
  if (text.length > maxLength) invalid('it is too long')
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text)
  if (match === null) return invalid('it has no scheme')
  const [, scheme = '', rest = ''] = match
  if (/[?#]/.test(rest)) invalid('it has a query or a fragment')
  // eslint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u0020\u007f-\uffff]/.test(rest)) invalid('it has a character that a URI cannot have')
  switch (scheme.toLowerCase()) {
    case 'unix':
      return { kind: 'unix', path: unixPath(rest) }
    case 'tcp':
      return { kind: 'tcp', ...tcpAddress(rest) }
    default:
      return invalid('the scheme is neither unix nor tcp')
  }
}

const maxLength = 4_096

function unixPath(rest: string): string {
  const path = rest.startsWith('//') ? rest.slice(2) : rest
  if (!path.startsWith('/')) return invalid('the path of a unix socket must be absolute, without a host: unix:///run/agent.sock')
  const decoded = percentDecoded(path)
  if (decoded.includes('\0') || decoded.endsWith('/')) return invalid('the path of a unix socket must name a file')
  return decoded
}

function tcpAddress(rest: string): { readonly host: string; readonly port: number } {
  const match = /^\/\/(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(rest)
  if (match === null) return invalid('tcp wants an IP address and a port, and nothing else: tcp://127.0.0.1:8000')
  const [, v6, v4, portText] = match
  const port = Number(portText)
  if (port < 1 || port > 65_535) invalid('the port is out of range')
  if (v4 !== undefined && !isIpv4(v4)) invalid('the host is not an IP address')
  if (v6 !== undefined && !URL.canParse(`http://[${v6}]/`)) invalid('the host is not an IP address')
  return { host: v6 ?? v4 ?? '', port }
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)
}

function percentDecoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return invalid('it has a percent sign that encodes nothing')
  }
}

function invalid(why: string): never {
  throw new MayflyError('ENDPOINT_INVALID', `not the address of a Workload API: ${why}`, { hint: 'set SPIFFE_ENDPOINT_SOCKET to unix:///path/of/workload.sock' })
}
