import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cgroups } from './ports.ts'

const suffix = '.cgroup'

/** Notes in a folder which cgroups were made, so that the next life of an agent that was killed removes them. */
export class RememberedCgroups implements Cgroups {
  readonly #cgroups: Cgroups
  readonly #folder: string

  /** @param folder the agent's own; what is noted there of an earlier life is released */
  constructor(cgroups: Cgroups, folder: string) {
    this.#cgroups = cgroups
    this.#folder = folder
    for (const name of readdirSync(folder).filter((file) => file.endsWith(suffix))) void this.release(readFileSync(join(folder, name), 'utf8'))
  }

  confine(pid: number, name: string): string | undefined {
    const path = this.#cgroups.confine(pid, name)
    if (path !== undefined) writeFileSync(this.#noteOf(path), path, { mode: 0o600 })
    return path
  }

  populated(path: string): boolean | undefined {
    return this.#cgroups.populated(path)
  }

  watch(path: string, onChange: () => void): Disposable {
    return this.#cgroups.watch(path, onChange)
  }

  async release(path: string): Promise<void> {
    await this.#cgroups.release(path)
    rmSync(this.#noteOf(path), { force: true })
  }

  #noteOf(path: string): string {
    return join(this.#folder, `${path.slice(path.lastIndexOf('/') + 1)}${suffix}`)
  }
}
