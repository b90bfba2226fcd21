import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { skipAloud } from '../processes/processes.ts'
import { residentBytes } from './memory.ts'

/** Within a second is what is promised where nothing else runs, and what it really took is printed; this is what fails, also on a machine that is several times slower or has other things to do, ms. */
export const servedWithinMs = 10_000

/** What somebody else sees while an attack goes on: the slowest of calls made one after another, and the most memory the process took. */
export class Watch implements AsyncDisposable {
  slowestMs = 0
  mostBytes = 0
  calls = 0
  readonly #going: Promise<void>
  #stop = false

  constructor(pid: number, call: () => Promise<unknown>) {
    this.#going = this.#go(pid, call)
  }

  async #go(pid: number, call: () => Promise<unknown>): Promise<void> {
    while (!this.#stop) {
      const startedMs = performance.now()
      await call()
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs)
      this.mostBytes = Math.max(this.mostBytes, residentBytes(pid))
      this.calls++
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Rejects with what a call failed with. */
  async end(): Promise<this> {
    this.#stop = true
    await this.#going
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop = true
    await this.#going.catch(() => undefined) // whoever wanted to know has called end()
  }
}

/** Lets a process open that many files, as a service manager would; only root with its capabilities may. */
export function raiseOpenFiles(pid: number, most: number): void {
  try {
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${most}:${most}`], { stdio: 'ignore' })
  } catch {
    skipAloud(`the limit of open files stays at what this machine has: ${execFileSync('prlimit', ['--pid', String(pid), '--nofile', '--noheadings', '--output=SOFT,HARD']).toString().trim()}`)
  }
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
