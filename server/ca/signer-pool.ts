import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { MayflyError } from '../../src/core/errors.ts'
import type { SigningKey } from '../../src/x509/signing-key.ts'
import { certificateOf } from '../../src/x509/template.ts'
import { pack, unpack } from './packed.ts'
import type { Prepared, SigningOrder } from './signer.ts'
import type { SignerAnswer, SignerRequest } from './signer-worker.ts'

/** An authority as the pool needs it. */
export interface PoolAuthority {
  readonly id: string
  /** DER. */
  readonly certificate: Uint8Array
  readonly key: SigningKey
}

/** A batch that was proven and linted and waits, in its thread, for serials. Sign it or drop it; either ends it. */
export interface PreparedBatch {
  readonly results: readonly Prepared[]
  /** `undefined` where nothing shall be signed. Certificates in DER, `undefined` likewise. */
  sign(serials: readonly (Uint8Array | undefined)[]): Promise<readonly (Uint8Array | undefined)[]>
  drop(): void
}

interface Waiting {
  readonly resolve: (answer: SignerAnswer) => void
  readonly reject: (error: MayflyError) => void
}

interface Thread {
  readonly worker: Worker
  readonly known: Set<string>
  readonly waiting: Map<number, Waiting>
  ended: MayflyError | undefined
}

/** Signing threads: proof, template, lint and signature run there synchronously, a batch at a time. A thread starts when the others are busy. */
export class SignerPool implements AsyncDisposable {
  readonly #most: number
  readonly #threads: Thread[] = []
  #lastBatch = 0
  #closed = false

  /** `threads`: the most that will run; as many as there are cores, at most four, unless said otherwise. */
  constructor(threads: number = Math.min(4, availableParallelism())) {
    this.#most = Math.max(1, threads)
  }

  /** Starts a first thread now, so that it loads while the process does other things. */
  warm(): void {
    if (this.#threads.length === 0) this.#start()
  }

  /** @throws {MayflyError} SHUTTING_DOWN, INTERNAL */
  async prepare(authority: PoolAuthority, issuedAtMs: number, orders: readonly SigningOrder[], keys: readonly Uint8Array[]): Promise<PreparedBatch> {
    const thread = this.#leastBusy()
    const batch = ++this.#lastBatch
    this.#teach(thread, authority)
    const packed = pack(keys)
    const answer = await ask(thread, batch, { kind: 'prepare', batch, authorityId: authority.id, issuedAtMs, orders, keys: packed }, [packed.bytes.buffer])
    if (answer.kind !== 'prepared') throw new MayflyError('INTERNAL', 'the signing thread answered out of order')
    return {
      results: unpack(answer.keyHashes).map((publicKeyHash, at) => answer.refusals.get(at) ?? { ok: true, publicKeyHash }),
      sign: async (serials) => signBatch(thread, batch, serials, authority.key),
      drop: () => tell(thread, { kind: 'drop', batch }),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await Promise.all(this.#threads.splice(0).map(async ({ worker }) => worker.terminate()))
  }

  #leastBusy(): Thread {
    if (this.#closed) throw new MayflyError('SHUTTING_DOWN', 'the signing threads are stopped')
    const idlest = this.#threads.toSorted((left, right) => left.waiting.size - right.waiting.size)[0]
    if (idlest !== undefined && (idlest.waiting.size === 0 || this.#threads.length >= this.#most)) return idlest
    return this.#start()
  }

  #start(): Thread {
    const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './signer-worker.ts' : './signer-worker.js', import.meta.url))
    const thread: Thread = { worker, known: new Set(), waiting: new Map(), ended: undefined }
    worker.unref()
    worker.on('message', (answer: SignerAnswer) => {
      const caller = thread.waiting.get(answer.batch)
      thread.waiting.delete(answer.batch)
      if (thread.waiting.size === 0) worker.unref()
      if (answer.kind === 'failed') caller?.reject(new MayflyError(answer.code, answer.message))
      else caller?.resolve(answer)
    })
    worker.on('error', (cause) => this.#lose(thread, new MayflyError('INTERNAL', 'a signing thread failed', { cause })))
    worker.on('exit', () => this.#lose(thread, new MayflyError('SHUTTING_DOWN', 'a signing thread ended')))
    this.#threads.push(thread)
    return thread
  }

  #lose(thread: Thread, error: MayflyError): void {
    const at = this.#threads.indexOf(thread)
    if (at >= 0) this.#threads.splice(at, 1)
    thread.ended ??= error
    for (const { reject } of thread.waiting.values()) reject(error)
    thread.waiting.clear()
  }

  #teach(thread: Thread, { id, certificate, key }: PoolAuthority): void {
    if (thread.known.has(id)) return
    thread.known.clear() // the thread keeps two, and a change back is rare
    thread.known.add(id)
    tell(thread, { kind: 'learn', authorityId: id, certificate: certificate.slice(), key: key.keyObject })
  }
}

/** A token signs one after another; what the thread has linted is not looked at again. */
async function signBatch(thread: Thread, batch: number, serials: readonly (Uint8Array | undefined)[], key: SigningKey): Promise<readonly (Uint8Array | undefined)[]> {
  const packed = pack(serials.map((serial) => serial ?? new Uint8Array(0)))
  const answer = await ask(thread, batch, { kind: key.keyObject === undefined ? 'take' : 'sign', batch, serials: packed }, [packed.bytes.buffer])
  if (answer.kind !== 'signed') throw new MayflyError('INTERNAL', 'the signing thread answered out of order')
  const certificates = unpack(answer.certificates).map((certificate) => (certificate.length === 0 ? undefined : certificate))
  if (key.keyObject !== undefined) return certificates
  return await Promise.all(certificates.map(async (toBeSigned) => (toBeSigned === undefined ? undefined : certificateOf(toBeSigned, await key.sign(toBeSigned), key.kind))))
}

async function ask(thread: Thread, batch: number, request: SignerRequest, moved: readonly ArrayBuffer[]): Promise<SignerAnswer> {
  if (thread.ended !== undefined) throw thread.ended
  const { promise, resolve, reject } = Promise.withResolvers<SignerAnswer>()
  thread.waiting.set(batch, { resolve, reject })
  thread.worker.ref()
  tell(thread, request, moved)
  return promise
}

function tell(thread: Thread, request: SignerRequest, moved: readonly ArrayBuffer[] = []): void {
  thread.worker.postMessage(request, moved)
}
