import { MayflyError } from '../errors.ts'
import { maxNonces, nonceBytes } from './frame.ts'

/** The nonces of a time request as they came. @throws {MayflyError} INVALID_ARGUMENT */
export function checkNonces(nonces: readonly Uint8Array[]): readonly Uint8Array[] {
  if (nonces.length === 0 || nonces.length > maxNonces || nonces.some(({ length }) => length !== nonceBytes)) {
    throw new MayflyError('INVALID_ARGUMENT', `a time request has 1 to ${maxNonces} nonces of ${nonceBytes} bytes`)
  }
  return nonces
}
