import { fork, type ChildProcess } from 'node:child_process'
import { MayflyError } from '../../core/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { CertificateSpec } from '../certificate-spec.ts'
import type { SigningKey } from '../signing-key.ts'
import type { KeyKind } from '../spki.ts'
import { certificateOf } from '../template.ts'

export interface SlowPathRequest {
  readonly id: number
  readonly spec: CertificateSpec
  /** Which kind of key will sign it. */
  readonly signedBy: KeyKind
}

export type SlowPathAnswer = { readonly id: number; readonly toBeSigned: Uint8Array } | { readonly id: number; readonly problem: string }

interface Running {
  readonly process: ChildProcess
  readonly waiting: Map<number, { readonly resolve: (toBeSigned: Uint8Array) => void; readonly reject: (error: MayflyError) => void }>
}

const idleMs = 1_000

/**
 * Builds what is rare with @peculiar/x509, in a process of its own, which never sees a key, that starts at the first call and ends once idle or when this one does, so that neither the
 * start nor the memory of a server bears its weight (decision 8).
 */
export class SlowPath implements AsyncDisposable {
  readonly #clock: Clock
  #running: Running | undefined
  #idle = new AbortController()
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Starts the process ahead of the first call, as when a new store will want its first authority: loading takes 200 to 300 ms of CPU, beside other work. */
  warm(): void {
    this.#running ??= this.#start()
  }

  /** A certificate signed with `signer`. DER. @throws {MayflyError} INTERNAL when it cannot be built, SHUTTING_DOWN, and what the key throws */
  async certify(spec: CertificateSpec, signer: SigningKey): Promise<Uint8Array> {
    const toBeSigned = await this.#build(spec, signer.kind)
    return certificateOf(toBeSigned, await signer.sign(toBeSigned), signer.kind)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#idle.abort()
    await this.#end(new MayflyError('SHUTTING_DOWN', 'the slow signing path was closed'))
  }

  async #build(spec: CertificateSpec, signedBy: KeyKind): Promise<Uint8Array> {
    this.#idle.abort()
    this.#running ??= this.#start()
    const running = this.#running
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    running.waiting.set(id, { resolve, reject })
    running.process.ref()
    running.process.channel?.ref()
    const request: SlowPathRequest = { id, spec, signedBy }
    running.process.send(request, (error) => {
      if (error !== null) this.#fail(running, new MayflyError('INTERNAL', 'the slow signing path cannot be reached', { cause: error }))
    })
    return promise
  }

  #start(): Running {
    const child = fork(new URL(import.meta.url.endsWith('.ts') ? './builder.ts' : './builder.js', import.meta.url), { serialization: 'advanced', execArgv: [] })
    const running: Running = { process: child, waiting: new Map() }
    child.unref()
    child.channel?.unref()
    child.on('message', (answer: SlowPathAnswer) => {
      const caller = running.waiting.get(answer.id)
      running.waiting.delete(answer.id)
      if ('toBeSigned' in answer) caller?.resolve(new Uint8Array(answer.toBeSigned))
      else caller?.reject(new MayflyError('INTERNAL', 'the certificate could not be built', { cause: answer.problem }))
      if (running.waiting.size === 0) this.#becomeIdle(running)
    })
    child.on('error', (cause) => this.#fail(running, new MayflyError('INTERNAL', 'the slow signing path failed', { cause })))
    child.on('exit', () => this.#fail(running, new MayflyError('INTERNAL', 'the slow signing path ended')))
    return running
  }

  #becomeIdle({ process }: Running): void {
    process.unref()
    process.channel?.unref()
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
    const { process } = running
    if (process.exitCode !== null || process.signalCode !== null) return
    const exited = new Promise((resolve) => process.once('exit', resolve))
    process.ref()
    process.kill('SIGKILL')
    await exited
  }
}
