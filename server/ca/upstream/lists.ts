import { MayflyError } from '../../../src/core/errors.ts'
import { decodePems } from '../../../src/x509/pem.ts'

/** Of all lists together that are given for the authorities above. */
export const maxListBytes = 16_777_216

/** The lists of revoked certificates in a file or an answer, PEM or DER. @param place for the message @throws {MayflyError} UPSTREAM_CRL_MISSING */
export function listsIn(bytes: Uint8Array, place: string): readonly Uint8Array[] {
  if (bytes[0] === 0x30) return [bytes]
  try {
    return decodePems('X509 CRL', new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new MayflyError('UPSTREAM_CRL_MISSING', `ca.upstream.crlPath: ${place} holds no lists of revoked certificates`, { cause })
  }
}

/** Whether `ca.upstream.crlPath` is an address, to be asked again and again, and no file. */
export function isListUrl(crlPath: string): boolean {
  return /^https?:\/\//i.test(crlPath)
}
