import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { copyFile, link, mkdir } from 'node:fs/promises'
import { constants } from 'node:fs'
import { extname, join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'

import { MayflyError } from '../../core/errors.ts'
import type { Clock } from '../../ports/clock.ts'

/** What a workload of the tour says happened to it, by its own clock. */
export interface Fact {
  readonly event: string
  readonly atMs: number
  readonly [field: string]: unknown
}

/** A second name of this very Node binary, so that `unix:path` tells its processes apart; a copy where a hard link is not allowed. */
export async function namedBinary(folder: string, name: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const path = join(folder, name)
  try {
    await link(process.execPath, path)
  } catch {
    await copyFile(process.execPath, path, constants.COPYFILE_FICLONE)
  }
  return path
}

/** A workload of the tour: a process that prints one fact a line and ends when its stdin closes, so that none outlives the tour. */
export class Actor implements AsyncDisposable {
  readonly name: string
  readonly facts: Fact[] = []
  readonly #child: ChildProcess
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  readonly #exited: Promise<void>
  #ended = false

  constructor(name: string, binary: string, args: readonly string[], socket: string, clock: Clock) {
    this.name = name
    this.#clock = clock
    const script = join(import.meta.dirname, `workload${extname(import.meta.filename)}`)
    this.#child = spawn(binary, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` }, detached: true })
    const kill = (): boolean => this.#child.kill('SIGKILL')
    process.on('exit', kill)
    this.#exited = new Promise((resolve) => {
      this.#child.on('exit', () => {
        process.off('exit', kill)
        this.#ended = true
        this.#tell()
        resolve()
      })
      this.#child.on('error', () => resolve())
    })
    if (this.#child.stdout !== null) createInterface(this.#child.stdout).on('line', (line) => this.#read(line))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Has it do something: one word or a few, a line. */
  tell(order: string): void {
    this.#child.stdin?.write(`${order}\n`)
  }

  /** The first fact that fits, past or to come. @throws {MayflyError} DEADLINE_EXCEEDED, or when the process ended before */
  async when(fits: (fact: Fact) => boolean, what: string, withinMs: number, signal: AbortSignal): Promise<Fact> {
    const wait = new AbortController()
    const late = this.#clock.sleep(withinMs, AbortSignal.any([signal, wait.signal])).then(() => 'late' as const)
    late.catch(() => undefined) // the signal's reason is thrown below
    try {
      for (;;) {
        const found = this.facts.find((fact) => fits(fact))
        if (found !== undefined) return found
        const dead = this.#ended ? 'the process ended' : undefined
        if (dead !== undefined) throw new MayflyError('DEADLINE_EXCEEDED', `${this.name}: ${what} did not happen: ${dead}${this.#lastWords()}`)
        let changed = (): void => undefined
        const change = new Promise<'changed'>((resolve) => {
          changed = () => resolve('changed')
          this.#listeners.add(changed)
        })
        try {
          if ((await Promise.race([change, late])) === 'late') throw new MayflyError('DEADLINE_EXCEEDED', `${this.name}: ${what} did not happen within ${withinMs / 1_000} s${this.#lastWords()}`)
        } finally {
          this.#listeners.delete(changed)
        }
      }
    } finally {
      wait.abort()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end()
    const wait = new AbortController()
    void this.#clock.sleep(2_000, wait.signal).then(
      () => this.#child.kill('SIGKILL'),
      () => undefined, // it ended by itself
    )
    await this.#exited
    wait.abort()
  }

  #read(line: string): void {
    if (!line.startsWith('{')) return
    this.facts.push(JSON.parse(line) as Fact) // workload.ts writes these lines
    if (process.env['MAYFLY_TRACE'] !== undefined) process.stderr.write(`${this.name}: ${line}\n`)
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  #lastWords(): string {
    const last = this.facts.at(-1)
    return last === undefined ? '; it said nothing' : `; it last said ${JSON.stringify(last)}`
  }
}
