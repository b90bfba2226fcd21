import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { worldReadable } from './world-readable.ts'

export const root: string = join(import.meta.dirname, '../../..')
export const node24: string = process.execPath

/** A main of the product: from source, or what `npm run build` made when MAYFLY_BUILT is set, as the benchmarks do; or of another source tree. */
export function main(name: 'server' | 'agent' | 'src/cli', tree?: string): string {
  if (tree !== undefined) return join(tree, name, 'main.ts')
  return process.env['MAYFLY_BUILT'] === undefined ? join(root, name, 'main.ts') : join(root, 'dist', name, 'main.js')
}

/** A program under test: its lines of JSON on standard output, in order, and its standard error as text. Stopped by its own pid. */
export class Program implements AsyncDisposable {
  readonly child: ChildProcess
  readonly #lines: JsonLine[] = []
  readonly #waiting = new Set<() => void>()
  #errors = ''
  #ended = false

  constructor(command: string, args: readonly string[], options: { readonly env?: Readonly<Record<string, string>>; readonly uid?: number; readonly gid?: number; readonly cwd?: string } = {}) {
    const shown = options.uid === undefined ? (text: string): string => text : worldReadable
    this.child = spawn(shown(command), args.map(shown), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      cwd: options.cwd ?? (options.uid === undefined ? root : '/'),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-200_000)
    })
    if (this.child.stdout !== null) createInterface({ input: this.child.stdout }).on('line', (line) => this.#take(line))
    this.child.on('close', () => {
      this.#ended = true
      this.#wake()
    })
    this.child.on('error', (error) => {
      this.#errors += String(error)
      this.#ended = true
      this.#wake()
    })
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`not started: ${this.#errors}`)
    return this.child.pid
  }

  get errors(): string {
    return this.#errors
  }

  get lines(): readonly JsonLine[] {
    return this.#lines
  }

  /** The first line from `from` on for which `wanted` holds; fails when the program ends before, with what it said. */
  async line(wanted: (line: JsonLine) => boolean, from = 0): Promise<JsonLine> {
    for (let at = from; ; at++) {
      while (at >= this.#lines.length) {
        if (this.#ended) throw new Error(`the program ended (${this.child.exitCode ?? this.child.signalCode}) before the line that was waited for: ${this.#errors.slice(-4_000)}\n${JSON.stringify(this.#lines.slice(-5))}`)
        await new Promise<void>((resolve) => this.#waiting.add(resolve))
      }
      const line = this.#lines[at]
      if (line !== undefined && wanted(line)) return line
    }
  }

  /** The first line from `from` on whose `event` is this one. */
  event(name: string, from = 0): Promise<JsonLine> {
    return this.line((line) => line['event'] === name, from)
  }

  /** Exit code, or the signal's name. */
  async ended(): Promise<number | string> {
    if (!this.#ended) await once(this.child, 'close')
    return this.child.exitCode ?? this.child.signalCode ?? 'not started'
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string> {
    if (!this.#ended) this.child.kill(signal)
    return await this.ended()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  #take(line: string): void {
    try {
      const value: unknown = JSON.parse(line)
      this.#lines.push(typeof value === 'object' && value !== null ? { ...value } : { text: line })
    } catch {
      this.#lines.push({ text: line })
    }
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

export interface JsonLine {
  readonly [field: string]: unknown
}
