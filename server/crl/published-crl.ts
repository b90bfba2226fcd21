import type { Certificate } from '../../src/x509/certificate.ts'

/** A list of one authority, as it was published. */
export interface PublishedCrl {
  /** Hexadecimal. */
  readonly authorityId: string
  readonly certificate: Certificate
  readonly number: bigint
  readonly der: Uint8Array
  readonly entries: number
  readonly thisUpdateMs: number
}
