import { toHex } from '../../../src/core/bytes.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import type { Product } from './product.ts'

/** An SVID in the hands of a program that is no SPIFFE client. */
export interface Minted {
  /** Last segment of its ID. */
  readonly name: string
  /** Hexadecimal, all 17 bytes. */
  readonly serial: string
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** PEM, as `key`. */
  readonly cert: string
  readonly key: string
}

export async function mint(product: Product, name: string, options: { readonly ttlSeconds?: number; readonly dns?: readonly string[] } = {}): Promise<Minted> {
  const key = PrivateKey.generate()
  const csr = Buffer.from(buildCsr(key, { uris: [`spiffe://${product.trustDomain}/${name}`], dns: [...(options.dns ?? [])] }))
  const { svid } = await product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr, ttl: options.ttlSeconds ?? 600 })
  const chain = svid?.certChain ?? []
  return { name, serial: toHex(parseCertificate(chain[0] ?? new Uint8Array(0)).serial).padStart(34, '0'), chain, cert: encodeCertificatesPem(chain), key: key.toPem() }
}
