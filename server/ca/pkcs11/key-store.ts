import { Worker } from 'node:worker_threads'
import { MayflyError } from '../../../src/core/errors.ts'
import type { KeyType } from '../../../src/core/key-type.ts'
import { verifyPlain } from '../../../src/x509/signature.ts'
import type { SigningKey } from '../../../src/x509/signing-key.ts'
import { importPublicKey, keyKindOf } from '../../../src/x509/spki.ts'
import { checkKeyName, type KeyStore } from '../key-store.ts'
import type { TokenConfig } from './token.ts'
import type { TokenAnswer, TokenRequest } from './worker.ts'

type Asked = TokenRequest extends infer R ? (R extends TokenRequest ? Omit<R, 'id'> : never) : never

/**
 * Keys in a PKCS#11 token (an HSM, a smart card), where they are made and which they never leave. The token is spoken to in a thread of its own: a slow one holds nothing else up.
 * What it signs is checked before it is used.
 */
export class Pkcs11KeyStore implements KeyStore {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { readonly resolve: (bytes: Uint8Array | undefined) => void; readonly reject: (error: MayflyError) => void }>()
  #lastId = 0
  #ended: MayflyError | undefined

  private constructor(config: TokenConfig, pin: string) {
    this.#worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url), { workerData: { config, pin } })
    this.#worker.unref()
    this.#worker.on('message', (answer: TokenAnswer) => this.#answered(answer))
    this.#worker.on('error', (cause) => this.#fail(new MayflyError('KEY_STORE_UNAVAILABLE', 'the thread of the token failed', { cause })))
    this.#worker.on('exit', () => this.#fail(new MayflyError('SHUTTING_DOWN', 'the thread of the token ended')))
  }

  /** Resolves once the token has taken the PIN. @throws {MayflyError} CONFIG_INVALID without the package or the module, KEY_STORE_REFUSED, KEY_STORE_UNAVAILABLE */
  static async open(config: TokenConfig, pin: string): Promise<Pkcs11KeyStore> {
    const store = new Pkcs11KeyStore(config, pin)
    try {
      await store.load('none')
      return store
    } catch (error) {
      await store[Symbol.asyncDispose]()
      throw error
    }
  }

  async create(name: string, type: KeyType): Promise<SigningKey> {
    const spki = await this.#ask({ kind: 'create', name: checkKeyName(name), type })
    return this.#keyOf(name, spki ?? new Uint8Array(0))
  }

  async load(name: string): Promise<SigningKey | undefined> {
    const spki = await this.#ask({ kind: 'load', name: checkKeyName(name) })
    return spki === undefined ? undefined : this.#keyOf(name, spki)
  }

  async remove(name: string): Promise<void> {
    await this.#ask({ kind: 'remove', name: checkKeyName(name) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask({ kind: 'close' }).catch(() => undefined) // it ends in any case
    await this.#worker.terminate()
  }

  #keyOf(name: string, spki: Uint8Array): SigningKey {
    const kind = keyKindOf(spki)
    if (kind === undefined) throw new MayflyError('CERTIFICATE_INVALID', 'a key in the token is of a kind that is not supported')
    const publicKey = importPublicKey(spki)
    const sign = async (data: Uint8Array): Promise<Uint8Array> => {
      const signature = (await this.#ask({ kind: 'sign', name, data })) ?? new Uint8Array(0)
      if (!verifyPlain(publicKey, kind, data, signature)) throw new MayflyError('KEY_STORE_REFUSED', 'the token gave a signature that does not verify')
      return signature
    }
    return { kind, spki, keyObject: undefined, sign }
  }

  async #ask(asked: Asked): Promise<Uint8Array | undefined> {
    if (this.#ended !== undefined) throw this.#ended
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>()
    this.#waiting.set(id, { resolve, reject })
    this.#worker.ref()
    this.#worker.postMessage({ ...asked, id }, [])
    return promise
  }

  #answered(answer: TokenAnswer): void {
    const caller = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('bytes' in answer) caller?.resolve(answer.bytes === undefined ? undefined : new Uint8Array(answer.bytes))
    else caller?.reject(new MayflyError(answer.problem.code, answer.problem.message, answer.problem.hint === undefined ? {} : { hint: answer.problem.hint }))
  }

  #fail(error: MayflyError): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
