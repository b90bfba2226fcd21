import { Worker } from 'node:worker_threads'
import { MayflyError } from '../../core/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { CertificateSpec } from '../certificate-spec.ts'
import type { PrivateKey } from '../private-key.ts'

export interface SlowPathRequest {
  readonly id: number
  readonly spec: CertificateSpec
  /** PKCS#8. */
  readonly signer: Uint8Array
}

export type SlowPathAnswer = { readonly id: number; readonly certificate: Uint8Array } | { readonly id: number; readonly problem: string }

interface Running {
  readonly worker: Worker
  readonly waiting: Map<number, { readonly resolve: (certificate: Uint8Array) => void; readonly reject: (error: MayflyError) => void }>
}

const idleMs = 5_000

/**
 * Builds what is rare (authorities, signing keys of the stream) with @peculiar/x509, in a worker that starts at the first call and ends once idle,
 * so that neither the start nor the busy threads ever load it.
 */
export class SlowPath implements AsyncDisposable {
  readonly #clock: Clock
  #running: Running | undefined
  #idle = new AbortController()
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Starts the worker ahead of the first call, as when a new store will want its first authority: loading takes 200 to 300 ms of CPU, beside other work. */
  warm(): void {
    if (this.#running !== undefined) return
    this.#running = this.#start()
    this.#becomeIdle(this.#running)
  }

  /** A certificate signed with `signer`, a P-256 key. DER. @throws {MayflyError} INTERNAL when it cannot be built, SHUTTING_DOWN */
  async certify(spec: CertificateSpec, signer: PrivateKey): Promise<Uint8Array> {
    this.#idle.abort()
    this.#running ??= this.#start()
    const { worker, waiting } = this.#running
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    waiting.set(id, { resolve, reject })
    worker.ref()
    const request: SlowPathRequest = { id, spec, signer: signer.toPkcs8() }
    worker.postMessage(request, [])
    return promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#idle.abort()
    await this.#end(new MayflyError('SHUTTING_DOWN', 'the slow signing path was closed'))
  }

  #start(): Running {
    const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url))
    const running: Running = { worker, waiting: new Map() }
    worker.on('message', (answer: SlowPathAnswer) => {
      const caller = running.waiting.get(answer.id)
      running.waiting.delete(answer.id)
      if ('certificate' in answer) caller?.resolve(answer.certificate)
      else caller?.reject(new MayflyError('INTERNAL', 'the certificate could not be built', { cause: answer.problem }))
      if (running.waiting.size === 0) this.#becomeIdle(running)
    })
    worker.on('error', (cause) => this.#fail(running, new MayflyError('INTERNAL', 'the slow signing path failed', { cause })))
    worker.on('exit', () => this.#fail(running, new MayflyError('SHUTTING_DOWN', 'the slow signing path ended')))
    return running
  }

  #becomeIdle({ worker }: Running): void {
    worker.unref()
    this.#idle = new AbortController()
    const { signal } = this.#idle
    void this.#clock.sleep(idleMs, signal).then(
      async () => (signal.aborted ? undefined : this.#end(new MayflyError('SHUTTING_DOWN', 'the slow signing path ended'))),
      () => undefined, // aborted: there is work again
    )
  }

  #fail(running: Running, error: MayflyError): void {
    if (this.#running === running) this.#running = undefined
    for (const { reject } of running.waiting.values()) reject(error)
    running.waiting.clear()
  }

  async #end(error: MayflyError): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#fail(running, error)
    await running.worker.terminate()
  }
}
