import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** A forked process that is spoken to in turn: each message is answered by one or more. It ends when this one lets go of it. */
export class Child<To extends object, From extends { readonly kind: string }> implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #inbox: From[] = []
  #wake: () => void = () => undefined

  constructor(file: string) {
    this.#process = fork(join(import.meta.dirname, file), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#process.on('message', (message) => {
      this.#inbox.push(message as From) // the file beside this one sent it
      this.#wake()
    })
    this.#process.once('exit', () => this.#wake())
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  say(message: To): void {
    this.#process.send(message)
  }

  /** The next message of a kind; others before it are passed over. */
  async heard<K extends From['kind']>(kind: K): Promise<Extract<From, { readonly kind: K }>> {
    for (;;) {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) if (next.kind === kind) return next as Extract<From, { readonly kind: K }> // its kind says so
      if (this.#process.exitCode !== null) throw new Error('a process of the benchmark ended')
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.disconnect()
    await exited
  }
}
