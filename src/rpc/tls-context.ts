import { constants, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContext, SecureContextOptions } from 'node:tls'

/** What one side of a TLS connection shows. */
export interface TlsIdentity {
  /** DER, leaf first, without root. */
  readonly certificateChain: readonly Uint8Array[]
  /** The leaf's key; bytes are PKCS#8, DER. */
  readonly privateKey: KeyObject | Uint8Array
}

/** TLS 1.2 and up, no session tickets, no trust store of Node's own: peers are judged by `verifyPeer` alone. */
export function secureContextOptions(identity: TlsIdentity | undefined): SecureContextOptions {
  return {
    ...(identity === undefined ? {} : { cert: identity.certificateChain.map(toPem).join(''), key: keyPem(identity.privateKey) }),
    ca: [], // without it Node parses its whole root store for each context
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

export function secureContextOf(identity: TlsIdentity | undefined): SecureContext {
  return createSecureContext(secureContextOptions(identity))
}

function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function keyPem(key: KeyObject | Uint8Array): string {
  const object = key instanceof Uint8Array ? createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' }) : key
  return object.export({ format: 'pem', type: 'pkcs8' }).toString()
}
