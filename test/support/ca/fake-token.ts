import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { Collection, Graphene, Pkcs11Module, Session, Slot, TokenObject } from '../../../server/ca/pkcs11/graphene.ts'
import { curveParameters } from '../../../server/ca/pkcs11/public-key.ts'

const classes = { PRIVATE_KEY: 3, PUBLIC_KEY: 2 }
const pointBytes = 65

/** As the native module throws: the return value is the message. */
function failure(name: string): Error {
  return Object.assign(new Error(name), { name: 'Pkcs11Error' })
}

/** A PKCS#11 module in memory that keeps P-256 keys and can be told to lose its session, its token or its patience. */
export class FakeToken implements Graphene {
  readonly SessionFlag: Graphene['SessionFlag'] = { SERIAL_SESSION: 4, RW_SESSION: 2 }
  readonly ObjectClass: Graphene['ObjectClass'] = classes
  readonly KeyType: Graphene['KeyType'] = { RSA: 0, ECDSA: 3 }
  readonly KeyGenMechanism: Graphene['KeyGenMechanism'] = { RSA: 0, ECDSA: 0x1040 }
  labels: readonly string[] = ['token']
  logins = 0
  /** Thrown by the next call of each session that is open now. */
  lost: string | undefined
  readonly #pin: string
  readonly #objects: { readonly kind: number; readonly label: string; readonly key: KeyObject }[] = []

  constructor(pin: string) {
    this.#pin = pin
  }

  readonly Module: Graphene['Module'] = {
    load: (): Pkcs11Module => ({
      initialize: () => undefined,
      finalize: () => undefined,
      getSlots: () => collection(this.labels.map((label, at): Slot => ({ handle: Buffer.from([at, 0, 0, 0, 0, 0, 0, 0]), getToken: () => ({ label: label.padEnd(32) }), open: () => this.#session() }))),
    }),
  }

  #session(): Session {
    let isOver = false
    const used = (): void => {
      const { lost } = this
      if (lost === undefined && !isOver) return
      isOver = true
      this.lost = undefined
      throw failure(lost ?? 'CKR_SESSION_HANDLE_INVALID')
    }
    return {
      login: (pin) => {
        this.logins++
        if (pin !== this.#pin) throw failure('CKR_PIN_INCORRECT')
      },
      close: () => void (isOver = true),
      find: ({ class: kind, label }) => {
        used()
        return collection(this.#objects.filter((object) => object.kind === kind && object.label === label).map((object) => this.#object(object)))
      },
      generateKeyPair: (_, { label }) => {
        used()
        const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        const pair = [{ kind: classes.PUBLIC_KEY, label: String(label), key: publicKey }, { kind: classes.PRIVATE_KEY, label: String(label), key: privateKey }] as const // a pair
        this.#objects.push(...pair)
        return { publicKey: this.#object(pair[0]), privateKey: this.#object(pair[1]) }
      },
      createSign: (_, key) => ({
        once: (digest) => {
          used()
          return rawSignature(key as KeyObject, digest) // what toType() gave
        },
      }),
    }
  }

  #object(object: { readonly kind: number; readonly label: string; readonly key: KeyObject }): TokenObject {
    return {
      getAttribute: () => {
        const spki = object.kind === classes.PUBLIC_KEY ? object.key.export({ type: 'spki', format: 'der' }) : Buffer.alloc(pointBytes)
        const point = spki.subarray(-pointBytes)
        return { keyType: this.KeyType.ECDSA, paramsECDSA: Buffer.from(curveParameters('ec-p256')), pointEC: Buffer.concat([Buffer.from([4, pointBytes]), point]) }
      },
      destroy: () => void this.#objects.splice(this.#objects.indexOf(object), 1),
      toType: () => object.key,
    }
  }
}

/** Of a digest that is made already: node:crypto hashes by itself, so the digest itself is what is hashed here; nobody verifies it. */
function rawSignature(key: KeyObject, digest: Buffer): Buffer {
  return sign('sha256', digest, { key, dsaEncoding: 'ieee-p1363' })
}

function collection<T>(items: readonly T[]): Collection<T> {
  return {
    length: items.length,
    items: (at) => {
      const item = items[at]
      if (item === undefined) throw new Error('no such item')
      return item
    },
  }
}
