import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { extname, join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'

import { MayflyError } from '../../core/errors.ts'

/** The line that a main prints once it serves. */
export interface Serving {
  readonly event: 'serving'
  readonly [address: string]: unknown
}

/** What runs as a process of its own. */
export type Program = keyof typeof mains

const mains = { server: 'server/main', agent: 'agent/main', relay: 'agent/relay-main', recovery: 'server/recovery/main' } as const

/** A program's main beside this code, in the source tree and in the built package alike. */
export function mainFile(name: Program): string {
  return join(import.meta.dirname, '..', '..', '..', `${mains[name]}${extname(import.meta.filename)}`)
}

/** A server or an agent as a process of its own. It is in a process group of its own, so that a Ctrl-C at the terminal reaches it only through us, in order; it ends when we do, however that happens. */
export class Service {
  readonly name: 'server' | 'agent'
  readonly #child: ChildProcess
  readonly #logFile: string
  readonly #serving: PromiseWithResolvers<Serving> = Promise.withResolvers()
  readonly #exited: PromiseWithResolvers<number> = Promise.withResolvers()
  #stopping = false

  /** Its log goes to the end of `logFile`. */
  static start(name: 'server' | 'agent', args: readonly string[], logFile: string): Service {
    return new Service(name, args, logFile)
  }

  private constructor(name: 'server' | 'agent', args: readonly string[], logFile: string) {
    this.name = name
    this.#logFile = logFile
    const log = openSync(logFile, 'a', 0o600)
    this.#child = spawn(process.execPath, [mainFile(name), '--while-stdin', ...args], { stdio: ['pipe', 'pipe', log], detached: true })
    closeSync(log)
    this.#child.stdin?.on('error', () => undefined) // one that has ended hears nothing, which `serving` tells
    const kill = (): boolean => this.#child.kill('SIGKILL')
    process.on('exit', kill)
    this.#serving.promise.catch(() => undefined) // whoever waits hears of it; nobody has to
    this.#child.on('error', (cause) => {
      this.#serving.reject(new MayflyError('INTERNAL', `the ${name} cannot be started`, { cause }))
      if (this.#child.pid !== undefined) return // a signal that could not be sent: it runs on
      process.off('exit', kill)
      this.#exited.resolve(127) // no 'exit' comes of what never ran
    })
    this.#child.on('exit', (code, signal) => {
      process.off('exit', kill)
      this.#serving.reject(this.failure())
      this.#exited.resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL'])
    })
    if (this.#child.stdout !== null) createInterface(this.#child.stdout).on('line', (line) => this.#read(line))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Resolves with its addresses. @throws {MayflyError} with what it said when it could not start */
  get serving(): Promise<Serving> {
    return this.#serving.promise
  }

  /** Resolves with the exit code. */
  get exited(): Promise<number> {
    return this.#exited.promise
  }

  /** Whether its end was asked for. */
  get stopping(): boolean {
    return this.#stopping
  }

  /** Writes a line to its standard input, which stays open. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Asks it to drain; resolves when it is gone. `kill`: at once. */
  async stop(kill = false): Promise<number> {
    this.#stopping = true
    this.#child.kill(kill ? 'SIGKILL' : 'SIGTERM')
    return await this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #read(line: string): void {
    if (!line.startsWith('{')) return
    const fact = JSON.parse(line) as { readonly event?: string } // our own main writes these lines
    if (fact.event === 'serving') this.#serving.resolve(fact as Serving)
  }

  /** The two lines that a main ends its log with when it cannot go on. */
  failure(): MayflyError {
    const lines = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-40)
    const at = lines.findLastIndex((line) => line.startsWith('mayfly: '))
    const hint = lines[at + 1]?.startsWith('hint: ') === true ? lines[at + 1]?.slice('hint: '.length) : undefined
    const what = at < 0 ? `the ${this.name} ended` : (lines[at] ?? '').slice('mayfly: '.length)
    return new MayflyError('UNAVAILABLE', what, { hint: hint ?? `its log is ${this.#logFile}` })
  }
}
