import { createHash } from 'node:crypto'
import { MayflyError } from '../../../src/core/errors.ts'
import type { KeyType } from '../../../src/core/key-type.ts'
import { keyKindOf, type KeyKind } from '../../../src/x509/spki.ts'
import { isPassing, returnValueOf, tokenError } from './failures.ts'
import type { Graphene, Pkcs11Module, Session, Slot, TokenObject } from './graphene.ts'
import { curveParameters, ecdsaSignature, ellipticSpki, isElliptic, rsaSpki } from './public-key.ts'

export interface TokenConfig {
  /** Path of the PKCS#11 module, a shared library. */
  readonly module: string
  /** Label of the token; or else `slot`. */
  readonly token: string | undefined
  /** Number of the slot. */
  readonly slot: number | undefined
  /** Begins the label of each key, so that a token may serve others too. */
  readonly labelPrefix: string
}

/**
 * A PKCS#11 token, spoken to synchronously: in a thread of its own. A session that is lost is opened anew, once for each call; a PIN that was refused is not tried again, because tokens lock.
 * Private keys are made in the token, sensitive and not extractable.
 */
export class Token {
  readonly #graphene: Graphene
  readonly #config: TokenConfig
  readonly #pin: string
  readonly #keys = new Map<string, { readonly key: unknown; readonly kind: KeyKind }>()
  #module: Pkcs11Module | undefined
  #session: Session | undefined
  #refused: MayflyError | undefined

  constructor(graphene: Graphene, config: TokenConfig, pin: string) {
    this.#graphene = graphene
    this.#config = config
    this.#pin = pin
  }

  /** Makes a pair of keys; returns the SubjectPublicKeyInfo, DER. @throws {MayflyError} ALREADY_EXISTS, KEY_STORE_REFUSED, KEY_STORE_UNAVAILABLE */
  create(name: string, type: KeyType): Uint8Array {
    return this.#attempt('make a key', (session) => {
      if (this.#find(session, this.#graphene.ObjectClass.PRIVATE_KEY, name).length > 0) throw new MayflyError('ALREADY_EXISTS', `there is a key named ${name}`)
      const { KeyType: kinds, KeyGenMechanism: mechanisms } = this.#graphene
      const shared = { label: this.#labelOf(name), id: Buffer.from(name), token: true }
      const elliptic = isElliptic(type)
      const form = elliptic ? { keyType: kinds.ECDSA, paramsECDSA: Buffer.from(curveParameters(type)) } : { keyType: kinds.RSA, modulusBits: type === 'rsa-2048' ? 2048 : 4096, publicExponent: Buffer.from([1, 0, 1]) }
      const secret = { ...shared, keyType: form.keyType, sign: true, private: true, sensitive: true, extractable: false }
      const pair = session.generateKeyPair(elliptic ? mechanisms.ECDSA : mechanisms.RSA, { ...shared, ...form, verify: true }, secret)
      return spkiOf(pair.publicKey, elliptic)
    })
  }

  /** The SubjectPublicKeyInfo, DER; `undefined` when there is no such key: that is believed of a new session alone, for an old one may be of a token that was pulled. */
  load(name: string): Uint8Array | undefined {
    const isOld = this.#session !== undefined
    const read = (): Uint8Array | undefined => this.#attempt('read a key', (session) => this.#publicKey(session, name))
    const found = read()
    if (found !== undefined || !isOld) return found
    this.close()
    return read()
  }

  /** In the form that X.509 carries. @throws {MayflyError} KEY_STORE_UNAVAILABLE also when the key is gone */
  sign(name: string, data: Uint8Array): Uint8Array {
    return this.#attempt('sign', (session) => {
      const { key, kind } = this.#privateKey(session, name)
      if (kind === 'RSA') return session.createSign('SHA256_RSA_PKCS', key).once(Buffer.from(data))
      const digest = createHash(kind === 'P-384' ? 'sha384' : 'sha256').update(data).digest()
      return ecdsaSignature(session.createSign('ECDSA', key).once(digest))
    })
  }

  /** Idempotent. */
  remove(name: string): void {
    this.#attempt('remove a key', (session) => {
      const { PRIVATE_KEY, PUBLIC_KEY } = this.#graphene.ObjectClass
      this.#keys.delete(name)
      for (const kind of [PRIVATE_KEY, PUBLIC_KEY]) for (const object of this.#find(session, kind, name)) object.destroy()
    })
  }

  close(): void {
    this.#drop()
    try {
      this.#module?.finalize()
    } catch {
      // it is over in any case
    }
    this.#module = undefined
  }

  #attempt<T>(what: string, work: (session: Session) => T): T {
    if (this.#refused !== undefined) throw this.#refused
    try {
      return this.#once(work)
    } catch (error) {
      throw tokenError(error, what)
    }
  }

  /** With the session there is, and when that is lost with another one, of a module that was begun anew. */
  #once<T>(work: (session: Session) => T): T {
    const before = this.#session
    try {
      return work(before ?? this.#open())
    } catch (error) {
      if (before === undefined || !(isPassing(error) || (error instanceof MayflyError && error.code === 'KEY_STORE_UNAVAILABLE'))) throw error
      this.close()
      return work(this.#open())
    }
  }

  #open(): Session {
    const { SessionFlag } = this.#graphene
    const slot = this.#slot()
    const session = slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION)
    try {
      session.login(this.#pin)
    } catch (error) {
      if (returnValueOf(error) !== 'CKR_USER_ALREADY_LOGGED_IN') {
        session.close()
        const failure = tokenError(error, 'be logged in to')
        if (failure.code === 'KEY_STORE_REFUSED') this.#refused = failure
        throw failure
      }
    }
    this.#session = session
    return session
  }

  #slot(): Slot {
    const { module, token, slot: number } = this.#config
    const slots = this.#begun().getSlots(true)
    const found: Slot[] = []
    for (let at = 0; at < slots.length; at++) {
      const slot = slots.items(at)
      if (token === undefined ? numberOf(slot) === number : slot.getToken().label.trimEnd() === token) found.push(slot)
    }
    const [first] = found
    const named = token === undefined ? `in slot ${number ?? ''}` : `called ${token}`
    if (first === undefined) {
      this.close()
      throw new MayflyError('KEY_STORE_UNAVAILABLE', `there is no token ${named}`, { hint: `what ${module} sees: pkcs11-tool --module ${module} -L` })
    }
    if (found.length > 1) throw new MayflyError('KEY_STORE_REFUSED', `there are ${found.length} tokens ${named}`, { hint: 'name one by its slot: ca.pkcs11.slot' })
    return first
  }

  #begun(): Pkcs11Module {
    if (this.#module !== undefined) return this.#module
    const { module: path } = this.#config
    let module: Pkcs11Module
    try {
      module = this.#graphene.Module.load(path, 'mayfly')
    } catch (cause) {
      throw new MayflyError('CONFIG_INVALID', `ca.pkcs11.module: ${path} is no PKCS#11 module that can be loaded`, { cause })
    }
    try {
      module.initialize()
    } catch (error) {
      if (returnValueOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
    }
    this.#module = module
    return module
  }

  #drop(): void {
    this.#keys.clear()
    try {
      this.#session?.close()
    } catch {
      // it was lost
    }
    this.#session = undefined
  }

  #privateKey(session: Session, name: string): { readonly key: unknown; readonly kind: KeyKind } {
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const [object] = this.#find(session, this.#graphene.ObjectClass.PRIVATE_KEY, name)
    const spki = object === undefined ? undefined : this.#publicKey(session, name)
    const kind = spki === undefined ? undefined : keyKindOf(spki)
    if (object === undefined || kind === undefined) throw new MayflyError('KEY_STORE_UNAVAILABLE', `the key ${name} is not in the token`)
    const found = { key: object.toType(), kind }
    this.#keys.set(name, found)
    return found
  }

  #publicKey(session: Session, name: string): Uint8Array | undefined {
    const { PRIVATE_KEY, PUBLIC_KEY } = this.#graphene.ObjectClass
    if (this.#find(session, PRIVATE_KEY, name).length === 0) return undefined
    const [object] = this.#find(session, PUBLIC_KEY, name)
    if (object === undefined) throw new MayflyError('CERTIFICATE_INVALID', `the public half of the key ${name} is not in the token`)
    return spkiOf(object, object.getAttribute({ keyType: null })['keyType'] === this.#graphene.KeyType.ECDSA)
  }

  #find(session: Session, kind: number, name: string): readonly TokenObject[] {
    const found = session.find({ class: kind, label: this.#labelOf(name) })
    return Array.from({ length: found.length }, (_, at) => found.items(at))
  }

  #labelOf(name: string): string {
    return `${this.#config.labelPrefix}${name}`
  }
}

function spkiOf(publicKey: TokenObject, elliptic: boolean): Uint8Array {
  const { paramsECDSA, pointEC, modulus, publicExponent } = publicKey.getAttribute(elliptic ? { paramsECDSA: null, pointEC: null } : { modulus: null, publicExponent: null })
  const spki = elliptic ? ellipticSpki(bytes(paramsECDSA), bytes(pointEC)) : rsaSpki(bytes(modulus), bytes(publicExponent))
  if (keyKindOf(spki) === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'a public key in the token is of a kind that is not supported')
  return spki
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new MayflyError('CERTIFICATE_INVALID', 'a public key in the token is damaged')
  return value
}

/** CK_SLOT_ID, as the machine writes it. */
function numberOf({ handle }: Slot): number {
  return handle.length === 8 ? Number(handle.readBigUInt64LE()) : handle.readUInt32LE()
}
