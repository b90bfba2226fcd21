import type { ClientHttp2Session, SecureClientSessionOptions } from 'node:http2'
import { connect as connectSession } from 'node:http2'
import type { AgentOptions } from 'node:https'
import { Agent } from 'node:https'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import { MayflyError } from '../core/errors.ts'
import { peerChain } from '../rpc/peer-chain.ts'
import type { PeerTerms } from './peer.ts'
import { acceptPeer } from './peer.ts'
import { contextOf } from './tls-identity.ts'
import type { X509Source } from './x509-source.ts'

/** Where to, and what of TLS is not decided here. `timeout` is for silence, in the handshake too. */
export type TlsTarget = Pick<ConnectionOptions, 'host' | 'port' | 'path' | 'socket' | 'servername' | 'ALPNProtocols' | 'timeout' | 'lookup'> & {
  /** Gives up. */
  readonly signal?: AbortSignal
}

/**
 * A TLS connection with the identity in force, given away only once the server has been accepted; `peerOf(socket)` says who it is. Names
 * in DNS do not count, only its SPIFFE ID. Sessions are not resumed. @throws {MayflyError} PEER_REFUSED, PEER_REVOKED, NO_IDENTITY, UNAVAILABLE
 */
export async function connectTls(source: X509Source, terms: PeerTerms, target: TlsTarget): Promise<TLSSocket> {
  const { signal, ...where } = target
  signal?.throwIfAborted()
  const secureContext = contextOf(source)
  return new Promise((resolve, reject) => {
    // Node's own check is off because the one below is stricter and knows SPIFFE; until it has passed nobody gets the socket.
    const socket = connect({ ...where, secureContext, minVersion: 'TLSv1.2', rejectUnauthorized: false })
    const fail = (failure: Error): void => {
      socket.destroy()
      reject(failure instanceof MayflyError ? failure : new MayflyError('UNAVAILABLE', `no TLS connection: ${failure.message}`, { cause: failure }))
    }
    const closed = (): void => fail(new MayflyError('UNAVAILABLE', 'the connection closed in the TLS handshake'))
    const silent = (): void => fail(new MayflyError('UNAVAILABLE', 'no TLS connection: the handshake took too long'))
    const aborted = (): void => {
      socket.destroy()
      reject(signal?.reason as Error) // whatever the caller gave
    }
    socket.once('error', fail)
    socket.once('close', closed)
    socket.once('timeout', silent)
    signal?.addEventListener('abort', aborted, { once: true })
    socket.once('secureConnect', () => {
      socket.off('error', fail)
      socket.off('close', closed)
      socket.off('timeout', silent)
      signal?.removeEventListener('abort', aborted)
      socket.on('error', () => undefined) // until the caller listens; 'close' follows
      try {
        acceptPeer(source, terms, peerChain(socket), socket)
        resolve(socket)
      } catch (failure) {
        fail(failure instanceof Error ? failure : new MayflyError('PEER_REFUSED', 'the peer was refused'))
      }
    })
  })
}

/** An agent for `https.request` and all that take one. Pooled connections stay over a rotation; new ones show the identity then in force. */
export class SpiffeAgent extends Agent {
  readonly #source: X509Source
  readonly #terms: PeerTerms

  constructor(source: X509Source, terms: PeerTerms, options: Omit<AgentOptions, 'key' | 'cert' | 'ca' | 'rejectUnauthorized' | 'maxCachedSessions'> = {}) {
    super({ ...options, maxCachedSessions: 0 })
    this.#source = source
    this.#terms = terms
  }

  override createConnection(options: ConnectionOptions, callback?: (failure: Error | null, socket: Duplex) => void): Duplex | null | undefined {
    void this.#connect(options, callback as AgentCallback | undefined) // Node's type wants a socket also beside a failure, and does not look at it
    return undefined
  }

  async #connect({ host, port, servername, timeout }: ConnectionOptions, callback: AgentCallback = () => undefined): Promise<void> {
    const target = { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }), ...(servername === undefined ? {} : { servername }), ...(timeout === undefined ? {} : { timeout }), ALPNProtocols: ['http/1.1'] }
    let socket: TLSSocket
    try {
      socket = await connectTls(this.#source, this.#terms, target)
    } catch (failure) {
      return callback(failure)
    }
    callback(null, socket)
  }
}

type AgentCallback = (failure: unknown, socket?: Duplex) => void

/** An HTTP/2 session to an accepted server. @param authority such as `https://10.0.0.7:8443` @throws as {@link connectTls} */
export async function connectHttp2(source: X509Source, terms: PeerTerms, authority: string | URL, options: Omit<SecureClientSessionOptions, 'createConnection'> = {}): Promise<ClientHttp2Session> {
  const { hostname, port } = new URL(authority)
  const socket = await connectTls(source, terms, { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port), ALPNProtocols: ['h2'] })
  const session = connectSession(authority, { ...options, createConnection: () => socket })
  session.on('error', () => undefined) // that its server was cut is no failure of this process; 'close' follows, and each open stream fails
  return session
}
