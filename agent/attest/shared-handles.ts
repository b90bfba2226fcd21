import type { ProcessHandle } from './ports.ts'

/** One descriptor a process, however many connections it has made: descriptors are the first thing that many connections run out of. */
export class SharedHandles {
  readonly #shared = new Map<string, { readonly handle: ProcessHandle; holders: number }>()

  /** Takes `own` over and returns a handle of the same process; of a process that is held already, the descriptor that is open. Each is disposed by itself. */
  share(processKey: string, own: ProcessHandle): ProcessHandle {
    let shared = this.#shared.get(processKey)
    // While it lives nobody else has its pid: the two name one process.
    if (shared?.handle.alive() === true) own[Symbol.dispose]()
    else this.#shared.set(processKey, (shared = { handle: own, holders: 0 }))
    const { handle } = shared
    const mine = shared
    mine.holders++
    let disposed = false
    return {
      fd: handle.fd,
      alive: () => handle.alive(),
      duplicate: () => handle.duplicate(),
      [Symbol.dispose]: () => {
        if (disposed) return
        disposed = true
        if (--mine.holders > 0) return
        if (this.#shared.get(processKey) === mine) this.#shared.delete(processKey)
        handle[Symbol.dispose]()
      },
    }
  }
}
