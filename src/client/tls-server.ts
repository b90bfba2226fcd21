import type { Http2SecureServer, SecureServerOptions } from 'node:http2'
import { createSecureServer } from 'node:http2'
import type { RequestListener } from 'node:http'
import type { Server as HttpsServer, ServerOptions } from 'node:https'
import { createServer as createHttps } from 'node:https'
import type { Server as TlsServer, TlsOptions, TLSSocket } from 'node:tls'
import { createServer as createTls } from 'node:tls'
import { peerChain } from '../rpc/peer-chain.ts'
import { secureContextOptions } from '../rpc/tls-context.ts'
import type { PeerTerms } from './peer.ts'
import { acceptPeer } from './peer.ts'
import type { X509Source } from './x509-source.ts'

/** What these helpers decide themselves and an option may not undo. */
type Decided = 'requestCert' | 'rejectUnauthorized' | 'SNICallback' | 'key' | 'cert' | 'pfx' | 'ca' | 'secureContext' | 'secureOptions' | 'minVersion' | 'sessionTimeout' | 'ticketKeys'

/** A `tls.Server` whose 'secureConnection' brings accepted peers only; `peerOf(socket)` says who. Its certificate follows the source. */
export function createTlsServer(source: X509Source, terms: PeerTerms, options: Omit<TlsOptions, Decided> = {}, listener?: (socket: TLSSocket) => void): TlsServer {
  return protect(createTls({ ...options, ...tlsServerOptions(source) }, listener), source, terms)
}

/** An `https.Server` that reads no byte of a request before its peer is accepted; `peerOf(request.socket)` says who. */
export function createHttpsServer(source: X509Source, terms: PeerTerms, options: Omit<ServerOptions, Decided> = {}, listener?: RequestListener): HttpsServer {
  return protect(createHttps({ ...options, ...tlsServerOptions(source) }, listener), source, terms)
}

/** An HTTP/2 server that reads no byte of a request before its peer is accepted; `peerOf(session.socket)` says who. */
export function createHttp2Server(source: X509Source, terms: PeerTerms, options: Omit<SecureServerOptions, Decided> = {}): Http2SecureServer {
  return protect(createSecureServer({ ...options, ...tlsServerOptions(source) }), source, terms)
}

/**
 * The TLS side of a server: the identity in force, a certificate asked of every client, no tickets and no resumption. Options alone cannot
 * judge a client in Node: a server made with them must go through {@link protect}, as those above do.
 * @throws {MayflyError} NO_IDENTITY
 */
export function tlsServerOptions(source: X509Source): TlsOptions {
  return { ...secureContextOptions(source.current()), requestCert: true, rejectUnauthorized: false }
}

/**
 * Judges each client of a TLS server made with {@link tlsServerOptions} before anybody learns of the connection, and swaps the certificate at
 * each rotation; open connections stay. Without an identity the server turns every client away until there is one again.
 */
export function protect<Server extends TlsServer>(server: Server, source: X509Source, terms: PeerTerms): Server {
  const emit = server.emit.bind(server)
  // The one place through which Node hands a connection to http, http2 or the application: what is refused here nobody sees.
  server.emit = (event: string | symbol, ...values: unknown[]): boolean => {
    if (event !== 'secureConnection') return emit(event, ...values)
    const socket = values[0] as TLSSocket // what Node emits with this event
    socket.on('error', () => undefined) // a peer that resets, or is cut, is no failure of the server
    try {
      source.current()
      acceptPeer(source, terms, peerChain(socket), socket)
    } catch {
      socket.destroy()
      return true
    }
    return emit(event, ...values)
  }
  const subscription = source.onUpdate((change) => server.setSecureContext(secureContextOptions(change.kind === 'updated' ? change.svid : undefined)))
  server.once('close', () => subscription[Symbol.dispose]())
  return server
}
