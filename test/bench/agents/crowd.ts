import { join } from 'node:path'

import { node24, Program, root, type JsonLine } from '../../support/product/process.ts'
import type { Product } from '../../support/product/product.ts'
import { elapsedMs } from '../machine.ts'

const perProcess = 250

/** Agents' protocol without agents, hundreds to a process: each with a key, an SVID, a connection and a stream of its own. */
export class Crowd implements AsyncDisposable {
  readonly #programs: readonly Program[]
  #seen: number[]
  /** SPIFFE IDs; empty where they joined nowhere. */
  ids: readonly string[] = []

  private constructor(programs: readonly Program[]) {
    this.#programs = programs
    this.#seen = programs.map(() => 0)
  }

  /** Joins so many agents; resolves once each has its entries and the revocations. */
  static async join(product: Product, count: number): Promise<Crowd> {
    const tokens: string[] = []
    while (tokens.length < count) tokens.push((await product.admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 3_600 })).value)
    const parts = Array.from({ length: Math.ceil(count / perProcess) }, (_, at) => tokens.slice(at * perProcess, (at + 1) * perProcess))
    const crowd = Crowd.#started(parts.map((part) => ({ address: product.address, tokens: part })))
    const joined = await crowd.#all('joined')
    crowd.ids = joined.flatMap((line) => line['ids'] as string[]) // agents.ts writes them so
    await crowd.#all('synced')
    crowd.mark()
    return crowd
  }

  /** So many connections to a server that asks for nothing but a certificate. */
  static async connect(address: string, count: number, identity: { readonly key: string; readonly cert: string }): Promise<Crowd> {
    const crowd = Crowd.#started(Array.from({ length: Math.ceil(count / perProcess) }, (_, at) => ({ address, count: Math.min(perProcess, count - at * perProcess), identity })))
    await crowd.#all('synced')
    crowd.mark()
    return crowd
  }

  static #started(inputs: readonly object[]): Crowd {
    return new Crowd(
      inputs.map((input) => {
        const program = new Program(node24, [join(root, 'test/support/faults/agents.ts')])
        program.child.stdin?.write(`${JSON.stringify(input)}\n`)
        return program
      }),
    )
  }

  /** What is waited for comes after this. */
  mark(): void {
    this.#seen = this.#programs.map(({ lines }) => lines.length)
  }

  /** Resolves once all are back: for how long each was without its stream, and when the last was told. */
  async back(): Promise<{ readonly outagesMs: readonly number[]; readonly atMs: number }> {
    const lines = await this.#all('back')
    return { outagesMs: lines.flatMap((line) => line['outagesMs'] as number[]), atMs: Math.max(...lines.map((line) => Number(line['atMs']))) } // agents.ts writes them so
  }

  /** When the agent was told of a change. */
  async changed(id: string): Promise<number> {
    const line = await Promise.race(this.#programs.map(async (program, at) => program.line((one) => one['event'] === 'changed' && one['id'] === id, this.#seen[at])))
    return Number(line['atMs'])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program.kill()
  }

  async #all(event: string): Promise<readonly JsonLine[]> {
    return await Promise.all(this.#programs.map(async (program, at) => program.event(event, this.#seen[at])))
  }
}

/** How long a call takes while something else goes on. */
export class Prober {
  readonly tookMs: number[] = []
  /** Of calls that failed. */
  readonly failures: string[] = []
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(everyMs: number, call: () => Promise<unknown>, sleep: (ms: number, signal: AbortSignal) => Promise<void>) {
    this.#running = this.#run(everyMs, call, sleep)
  }

  async end(): Promise<this> {
    this.#stop.abort()
    await this.#running
    return this
  }

  async #run(everyMs: number, call: () => Promise<unknown>, sleep: (ms: number, signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const startedMs = elapsedMs()
      try {
        await call()
        this.tookMs.push(elapsedMs() - startedMs)
      } catch (error) {
        this.failures.push(error instanceof Error ? error.message : String(error))
      }
      await sleep(everyMs, signal).catch(() => undefined) // only aborts
    }
  }
}
