import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { ExitWatch, ProcessHandle, Processes } from '../attest/ports.ts'
import { processKey } from '../attest/caller.ts'

/** A process that may hold keys: a `Caller` is one. */
export interface HoldingProcess {
  readonly pid: number
  /** Start in clock ticks since boot. */
  readonly startTicks: number
  /** Is duplicated, so the caller may dispose its own. */
  readonly handle: ProcessHandle | undefined
}

export interface ProcessHoldersConfig {
  /** How often processes without a pidfd are looked at. */
  readonly pollMs: number
}

export interface ProcessHoldersDeps {
  readonly exitWatch: ExitWatch
  readonly processes: Pick<Processes, 'startTicks'>
  readonly clock: Clock
  readonly log: Logger
  /** The last process that held the entry's key has exited: drop the key. Called once for each time an entry comes to be held. */
  onLastExit(entryId: string): void
}

/**
 * Which processes have been handed the key of which entry, and when the last of them is gone. A process holds from its
 * first `hold` until it exits, not until it closes its connection: what it was given it may still have in memory.
 */
export class ProcessHolders implements AsyncDisposable {
  readonly #config: ProcessHoldersConfig
  readonly #deps: ProcessHoldersDeps
  readonly #processes = new Map<string, WatchedProcess>()
  readonly #entries = new Map<string, Set<WatchedProcess>>()
  /** Those that have no pidfd. */
  readonly #polled = new Set<WatchedProcess>()
  readonly #stop = new AbortController()
  #polling: Promise<void> | undefined

  private constructor(config: ProcessHoldersConfig, deps: ProcessHoldersDeps) {
    this.#config = config
    this.#deps = deps
  }

  static start(config: ProcessHoldersConfig, deps: ProcessHoldersDeps): ProcessHolders {
    return new ProcessHolders(config, deps)
  }

  /** Notes, before it is sent, that the process is handed the entry's key. Saying it again changes nothing. A process that has exited is noticed soon after. */
  hold(entryId: string, process: HoldingProcess): void {
    if (this.#stop.signal.aborted) return
    const watched = this.#processes.get(processKey(process)) ?? this.#watch(process)
    watched.entries.add(entryId)
    const holders = this.#entries.get(entryId)
    if (holders === undefined) this.#entries.set(entryId, new Set([watched]))
    else holders.add(watched)
  }

  /** Forgets an entry, such as one that was deleted: no exit will be reported for it. */
  release(entryId: string): void {
    const holders = this.#entries.get(entryId)
    if (holders === undefined) return
    this.#entries.delete(entryId)
    for (const watched of holders) {
      watched.entries.delete(entryId)
      if (watched.entries.size === 0) this.#forget(watched)
    }
  }

  /** The processes that hold the entry's key. */
  holdersOf(entryId: string): readonly { readonly pid: number; readonly startTicks: number }[] {
    return [...(this.#entries.get(entryId) ?? [])].map(({ pid, startTicks }) => ({ pid, startTicks }))
  }

  /** How many processes are watched, and how many of them by looking at their start time. */
  counts(): { readonly processes: number; readonly polled: number; readonly entries: number } {
    return { processes: this.#processes.size, polled: this.#polled.size, entries: this.#entries.size }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#entries.clear()
    for (const watched of this.#processes.values()) this.#forget(watched)
    await this.#polling
  }

  #watch(process: HoldingProcess): WatchedProcess {
    const watched: WatchedProcess = { key: processKey(process), pid: process.pid, startTicks: process.startTicks, entries: new Set(), exit: undefined }
    this.#processes.set(watched.key, watched)
    watched.exit = this.#watchExit(watched, process.handle)
    if (watched.exit === undefined) {
      this.#polled.add(watched)
      this.#polling ??= this.#poll()
    }
    return watched
  }

  /** `undefined` when the process has no pidfd (any more), or no descriptor is left for another. */
  #watchExit(watched: WatchedProcess, original: ProcessHandle | undefined): Disposable | undefined {
    const handle = original?.duplicate()
    if (handle === undefined) return undefined
    try {
      const watch = this.#deps.exitWatch.watch(handle, () => this.#exited(watched))
      return {
        [Symbol.dispose]() {
          watch[Symbol.dispose]()
          handle[Symbol.dispose]()
        },
      }
    } catch (error) {
      handle[Symbol.dispose]()
      this.#deps.log.warn({ event: 'holder.unwatched', pid: watched.pid, error }, 'the exit of a process cannot be watched; its start time is looked at instead')
      return undefined
    }
  }

  #exited(watched: WatchedProcess): void {
    if (this.#processes.get(watched.key) !== watched) return
    this.#forget(watched)
    for (const entryId of watched.entries) {
      const holders = this.#entries.get(entryId)
      if (holders?.delete(watched) !== true || holders.size > 0) continue
      this.#entries.delete(entryId)
      this.#deps.log.info({ event: 'holder.last_exit', entryId, pid: watched.pid }, 'the last process that held the key exited')
      this.#deps.onLastExit(entryId)
    }
  }

  #forget(watched: WatchedProcess): void {
    this.#processes.delete(watched.key)
    this.#polled.delete(watched)
    watched.exit?.[Symbol.dispose]()
  }

  /** Runs while there is somebody without a pidfd. */
  async #poll(): Promise<void> {
    const { signal } = this.#stop
    while (this.#polled.size > 0) {
      try {
        await this.#deps.clock.sleep(this.#config.pollMs, signal)
      } catch (error) {
        if (signal.aborted) break
        throw error
      }
      for (const watched of this.#polled) {
        if (this.#deps.processes.startTicks(watched.pid) !== watched.startTicks) this.#exited(watched)
      }
    }
    this.#polling = undefined
  }
}

interface WatchedProcess {
  readonly key: string
  readonly pid: number
  readonly startTicks: number
  readonly entries: Set<string>
  /** Ends the watch for its exit and closes its pidfd; `undefined` for one that is polled. */
  exit: Disposable | undefined
}
