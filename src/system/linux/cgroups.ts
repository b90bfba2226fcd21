import { mkdirSync, readFileSync, rmdirSync, watch, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { childrenOf, numbersIn } from './children.ts'
import { cgroupMount, lineage, readProcess } from './proc.ts'

/** Cgroups of one process tree each, made below the cgroup that the process was in, so that the limits it has stay. Needs root and a mounted version 2. */
export class LinuxCgroups {
  readonly #mount: string

  private constructor(mount: string) {
    this.#mount = mount
  }

  /** `undefined` where cgroups cannot be made. */
  static open(): LinuxCgroups | undefined {
    const mount = cgroupMount()
    return mount === undefined || process.geteuid?.() !== 0 ? undefined : new LinuxCgroups(mount)
  }

  /** Makes a cgroup and moves the process and all that descend from it in. Its path in the hierarchy; `undefined` when the kernel refuses or the process is gone. */
  confine(pid: number, name: string): string | undefined {
    const reading = readProcess(pid)
    if (reading.kind === 'gone' || reading.process.cgroup === undefined) return undefined
    const parent = reading.process.cgroup === '/' ? '' : reading.process.cgroup
    const path = `${parent}/${name}`
    try {
      mkdirSync(`${this.#mount}${path}`, { mode: 0o755 })
    } catch {
      return undefined // no permission, read-only, or a limit of the hierarchy
    }
    try {
      this.#moveTree(pid, path)
      return path
    } catch {
      void this.release(path)
      return undefined
    }
  }

  /** Whether a process is in it or below; `undefined` when it is gone. */
  populated(path: string): boolean | undefined {
    try {
      return /^populated 1$/m.test(readFileSync(`${this.#mount}${path}/cgroup.events`, 'utf8'))
    } catch {
      return undefined
    }
  }

  /** Calls `onChange` soon after a cgroup became empty, or inhabited, or went. */
  watch(path: string, onChange: () => void): Disposable {
    try {
      const watcher = watch(`${this.#mount}${path}/cgroup.events`, { persistent: false }, onChange)
      watcher.on('error', onChange)
      return { [Symbol.dispose]: () => watcher.close() }
    } catch {
      queueMicrotask(onChange) // it went before it could be watched
      return { [Symbol.dispose]: () => undefined }
    }
  }

  /** Removes a cgroup that {@link confine} made; what is left in it goes where it came from. One that the kernel is not done with yet is tried again for a while. */
  async release(path: string): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts && !this.#removed(path); attempt++) await pause(retryMs, undefined, { ref: false })
  }

  #removed(path: string): boolean {
    const above = path.slice(0, path.lastIndexOf('/'))
    try {
      for (const pid of this.#processesOf(path)) this.#move(pid, above)
      rmdirSync(`${this.#mount}${path}`)
      return true
    } catch {
      return this.populated(path) === undefined // a process that has exited is in it for a moment still
    }
  }

  /** A process that forks meanwhile leaves a child behind: looked at again until there is none. */
  #moveTree(root: number, path: string): void {
    this.#move(root, path)
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const inside = new Set(this.#processesOf(path))
      const outside = [...inside].flatMap(childrenOf).filter((pid) => !inside.has(pid))
      if (outside.length === 0) return
      for (const pid of outside) if (lineage(pid) !== undefined) this.#move(pid, path)
    }
    throw new Error('a process forks faster than its children can be moved')
  }

  #move(pid: number, path: string): void {
    writeFileSync(`${this.#mount}${path}/cgroup.procs`, String(pid))
  }

  #processesOf(path: string): number[] {
    return numbersIn(readFileSync(`${this.#mount}${path}/cgroup.procs`, 'utf8'))
  }
}

const maxAttempts = 100
const retryMs = 20
