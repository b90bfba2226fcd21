import type { KeyObject } from 'node:crypto'
import type { KeyKind } from './spki.ts'

/** A key that an authority signs with, wherever it lies: in this process, or in a token that does not give it out. A {@link PrivateKey} is one. */
export interface SigningKey {
  readonly kind: KeyKind
  /** Its SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** The key itself, for threads that sign by themselves; `undefined`: it stays where it is, and only {@link SigningKey.sign} reaches it. */
  readonly keyObject: KeyObject | undefined
  /** In the form that X.509 carries, by the one algorithm that goes with its kind (`signatureAlgorithmOf`). @throws {MayflyError} KEY_STORE_UNAVAILABLE from a token that cannot sign now */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>
}
