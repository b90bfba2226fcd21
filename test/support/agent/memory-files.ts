import type { StateFiles } from '../../../agent/sync/state-files.ts'

/** A data folder in memory, whose writes can be made to stop as a crash would stop them. */
export class MemoryFiles implements StateFiles {
  readonly contents: Map<string, string> = new Map()
  /** How many more changes happen before the crash. */
  changesLeft: number = Number.POSITIVE_INFINITY

  async read(name: string): Promise<Uint8Array | undefined> {
    const text = this.contents.get(name)
    return text === undefined ? undefined : new TextEncoder().encode(text)
  }

  async write(name: string, content: string): Promise<void> {
    this.#change()
    this.contents.set(name, content)
  }

  async remove(name: string): Promise<void> {
    this.#change()
    this.contents.delete(name)
  }

  #change(): void {
    if (this.changesLeft <= 0) throw new Error('crashed')
    this.changesLeft--
  }
}
