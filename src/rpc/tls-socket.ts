import type { Socket } from 'node:net'
import { connect } from 'node:tls'
import type { SecureContext, TLSSocket } from 'node:tls'
import { MayflyError } from '../core/errors.ts'
import { peerChain } from './peer-chain.ts'

export interface TlsClientOptions {
  /** Key and certificate chain to show, asked for at each connection so that they may change; `undefined` shows none. */
  context(): SecureContext
  /** Judges the server by its chain, DER, leaf first, before anything is sent to it. Throws to refuse. */
  verifyPeer(chain: readonly Uint8Array[], socket: Socket): void
}

/** A handshake over a connected socket, resolved only once `verifyPeer` has accepted the server. @throws {MayflyError} UNAUTHENTICATED */
export async function connectTlsSocket(socket: Socket, options: TlsClientOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Node's own check is off because the check below is stricter and knows SPIFFE; until it has passed nobody gets the socket.
    const secure = connect({ socket, secureContext: options.context(), ALPNProtocols: ['h2'], minVersion: 'TLSv1.2', rejectUnauthorized: false })
    const fail = (failure: Error): void => {
      secure.destroy()
      reject(failure)
    }
    const closed = (): void => fail(new MayflyError('UNAVAILABLE', 'the connection closed in the TLS handshake'))
    secure.once('error', fail)
    secure.once('close', closed)
    secure.once('secureConnect', () => {
      secure.off('error', fail)
      secure.off('close', closed)
      secure.on('error', () => undefined) // the 'close' that follows is what counts
      try {
        if (secure.alpnProtocol !== 'h2') throw new MayflyError('UNAVAILABLE', 'the server does not speak HTTP/2')
        options.verifyPeer(peerChain(secure), secure)
        resolve(secure)
      } catch (failure) {
        fail(failure instanceof Error ? failure : new MayflyError('UNAUTHENTICATED', 'the server was refused'))
      }
    })
  })
}
