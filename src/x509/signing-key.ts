import { sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { digestOf } from './signature.ts'
import { viewOf, type KeyKind } from './spki.ts'

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

/** The same key for what is megabytes long: where it lies in this process, a thread of Node's pool hashes and signs, and others are served meanwhile. */
export function signingAside(key: SigningKey): Pick<SigningKey, 'kind' | 'sign'> {
  const { kind, keyObject } = key
  if (keyObject === undefined) return key
  return { kind, sign: async (data) => new Uint8Array(await signInPool(digestOf(kind), viewOf(data), keyObject)) }
}

const signInPool = promisify(sign)
