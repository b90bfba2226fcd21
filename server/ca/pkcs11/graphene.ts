import { createRequire } from 'node:module'
import { MayflyError } from '../../../src/core/errors.ts'

/** As much of the package graphene-pk11 as is used here. It is compiled where it is installed, so it is asked for only where a configuration wants a token. */
export interface Graphene {
  readonly Module: { load(path: string, name: string): Pkcs11Module }
  readonly SessionFlag: { readonly SERIAL_SESSION: number; readonly RW_SESSION: number }
  readonly ObjectClass: { readonly PRIVATE_KEY: number; readonly PUBLIC_KEY: number }
  readonly KeyType: { readonly RSA: number; readonly ECDSA: number }
  readonly KeyGenMechanism: { readonly RSA: number; readonly ECDSA: number }
}

export interface Pkcs11Module {
  initialize(): void
  finalize(): void
  getSlots(withToken: true): Collection<Slot>
}

export interface Collection<T> {
  readonly length: number
  items(index: number): T
}

export interface Slot {
  readonly handle: Buffer
  getToken(): { readonly label: string }
  open(flags: number): Session
}

export interface Session {
  login(pin: string): void
  close(): void
  find(template: Readonly<Record<string, unknown>>): Collection<TokenObject>
  generateKeyPair(mechanism: number, publicKey: Readonly<Record<string, unknown>>, privateKey: Readonly<Record<string, unknown>>): { readonly publicKey: TokenObject; readonly privateKey: TokenObject }
  createSign(mechanism: string, key: unknown): { once(data: Buffer): Buffer }
}

export interface TokenObject {
  getAttribute(wanted: Readonly<Record<string, null>>): Readonly<Record<string, unknown>>
  destroy(): void
  toType(): unknown
}

/** @throws {MayflyError} CONFIG_INVALID when it is not installed, or does not run here */
export function loadGraphene(): Graphene {
  try {
    return createRequire(import.meta.url)('graphene-pk11') as Graphene // the package's own shape, of which the above is a part
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'MODULE_NOT_FOUND'
    throw new MayflyError('CONFIG_INVALID', `ca.keyStorage: pkcs11 needs the package graphene-pk11, which ${missing ? 'is not installed' : 'does not load here'}`, {
      cause,
      hint: 'npm install graphene-pk11, beside mayfly: it is compiled for this machine (docs/keys.md)',
    })
  }
}
