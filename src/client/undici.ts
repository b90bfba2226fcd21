import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { MayflyError } from '../core/errors.ts'
import type { PeerTerms } from './peer.ts'
import { connectTls } from './tls-client.ts'
import type { X509Source } from './x509-source.ts'

/** Where undici wants a connection to; the part of its `buildConnector.Options` that is looked at. */
export interface UndiciTarget {
  readonly hostname: string
  readonly protocol: string
  readonly port: string
  readonly servername?: string
  /** A tunnel through a proxy, over which TLS is spoken. */
  readonly httpSocket?: Socket
}

/** What undici's clients, pools and agents take as `connect`. */
export type UndiciConnect = (target: UndiciTarget, callback: (...outcome: [null, TLSSocket] | [Error, null]) => void) => void

export interface UndiciConnectOptions {
  /** Offers HTTP/2 first, as the dispatcher's own `allowH2` asks. */
  readonly allowH2?: boolean
  /** For the handshake; 10 s when absent. */
  readonly timeoutMs?: number
}

/**
 * Makes the connections of an undici dispatcher: `new Agent({ connect: undiciConnector(source, terms) })`. Each is given away only once its server has
 * been accepted, as with {@link connectTls}; requests over plain http fail. Pooled connections stay over a rotation, and are cut when the server is revoked.
 */
export function undiciConnector(source: X509Source, terms: PeerTerms, options: UndiciConnectOptions = {}): UndiciConnect {
  return (target, callback) => void connected(source, terms, options, target, callback)
}

async function connected(source: X509Source, terms: PeerTerms, options: UndiciConnectOptions, target: UndiciTarget, callback: Parameters<UndiciConnect>[1]): Promise<void> {
  let socket: TLSSocket
  try {
    socket = await dial(source, terms, options, target)
  } catch (failure) {
    return callback(failure instanceof Error ? failure : new MayflyError('UNAVAILABLE', 'no connection', { cause: failure }), null)
  }
  callback(null, socket)
}

async function dial(source: X509Source, terms: PeerTerms, { allowH2 = false, timeoutMs = 10_000 }: UndiciConnectOptions, target: UndiciTarget): Promise<TLSSocket> {
  const { hostname, protocol, port, servername, httpSocket } = target
  if (protocol !== 'https:') throw new MayflyError('PEER_REFUSED', `${protocol}//${hostname} has no identity: only https is spoken here`, { hint: 'use an https URL' })
  return connectTls(source, terms, {
    ...(httpSocket === undefined ? { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port) } : { socket: httpSocket }),
    ...(servername === undefined ? {} : { servername }),
    ALPNProtocols: allowH2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    timeout: timeoutMs,
  })
}
