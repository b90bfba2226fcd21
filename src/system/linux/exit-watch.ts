import { closeSync, writeSync } from 'node:fs'
import { MayflyError } from '../../core/errors.ts'
import { errno, errnos, libc } from './libc.ts'

/**
 * Tells when processes exit: one epoll for all pidfds, waited for by one thread of libuv's pool. While it runs it keeps the
 * event loop alive; dispose it.
 */
export class ExitWatch implements AsyncDisposable {
  readonly #epoll: number
  /** An eventfd, so that the waiting thread can be called back. */
  readonly #wakeup: number
  readonly #watches = new Map<number, () => void>()
  readonly #byDescriptor = new Map<number, { readonly token: number; readonly listeners: Set<() => void> }>()
  /** Names a watch in the kernel's answer; never used again, so a late answer hits nobody else. */
  #nextToken = wakeupToken + 1
  #stopped = false
  readonly #ended: Promise<void>
  // Node joins its pool's threads when it exits, by process.exit() too: a waiting one would hang it.
  readonly #wakeAtExit = (): void => this.#wake()

  private constructor(epoll: number, wakeup: number) {
    this.#epoll = epoll
    this.#wakeup = wakeup
    process.on('exit', this.#wakeAtExit)
    this.#ended = this.#run()
  }

  /** @throws {MayflyError} PLATFORM_UNSUPPORTED, LIMIT_EXCEEDED */
  static start(): ExitWatch {
    const epoll = check(libc().epoll_create1(closeOnExec), 'epoll_create1')
    const wakeup = libc().eventfd(0, closeOnExec | nonBlocking)
    if (wakeup < 0 || libc().epoll_ctl(epoll, ctlAdd, wakeup, encodeEpollEvent(epollIn, wakeupToken)) !== 0) {
      const failure = fail('eventfd')
      closeSync(epoll)
      if (wakeup >= 0) closeSync(wakeup)
      throw failure
    }
    return new ExitWatch(epoll, wakeup)
  }

  /**
   * Calls `onExit` once, soon after the process of this pidfd has exited, or soon if it already has; never from inside `watch`.
   * Dispose it before the descriptor is closed. A descriptor may be watched by many.
   * @throws {MayflyError} LIMIT_EXCEEDED, SHUTTING_DOWN
   */
  watch(pidfd: { readonly fd: number }, onExit: () => void): Disposable {
    if (this.#stopped) throw new MayflyError('SHUTTING_DOWN', 'process exits are no longer watched')
    const { fd } = pidfd
    const { listeners } = this.#byDescriptor.get(fd) ?? this.#add(fd)
    const listener = (): void => onExit() // of its own, so that one function may watch twice
    listeners.add(listener)
    return {
      [Symbol.dispose]: () => {
        if (listeners.delete(listener) && listeners.size === 0) this.#remove(fd, listeners)
      },
    }
  }

  /** How many are watched. */
  get size(): number {
    return [...this.#byDescriptor.values()].reduce((sum, { listeners }) => sum + listeners.size, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true
      this.#watches.clear()
      this.#byDescriptor.clear()
      this.#wake()
    }
    await this.#ended
  }

  #add(fd: number): { readonly token: number; readonly listeners: Set<() => void> } {
    const token = this.#nextToken++
    check(libc().epoll_ctl(this.#epoll, ctlAdd, fd, encodeEpollEvent(epollIn, token)), 'epoll_ctl')
    const watched = { token, listeners: new Set<() => void>() }
    this.#byDescriptor.set(fd, watched)
    this.#watches.set(token, () => {
      this.#remove(fd, watched.listeners)
      for (const listener of watched.listeners) if (watched.listeners.delete(listener)) this.#tell(listener)
    })
    return watched
  }

  #remove(fd: number, listeners: Set<() => void>): void {
    const watched = this.#byDescriptor.get(fd)
    if (watched?.listeners !== listeners) return
    this.#byDescriptor.delete(fd)
    this.#watches.delete(watched.token)
    if (!this.#stopped) libc().epoll_ctl(this.#epoll, ctlDelete, fd, encodeEpollEvent(0, watched.token))
  }

  async #run(): Promise<void> {
    const events = new Uint8Array(maxEvents * layout.size)
    try {
      let failures = 0
      while (!this.#stopped) {
        const count = await waitForEvents(this.#epoll, events)
        // Of a valid descriptor only EINTR can be; errno itself stayed with the thread that waited.
        failures = count < 0 ? failures + 1 : 0
        if (failures > maxFailures) throw new MayflyError('INTERNAL', 'epoll_wait keeps failing: process exits are no longer seen')
        for (const token of decodeTokens(events, count)) this.#watches.get(token)?.()
      }
    } finally {
      this.#stopped = true
      process.off('exit', this.#wakeAtExit)
      closeSync(this.#epoll)
      closeSync(this.#wakeup)
    }
  }

  #tell(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      // A listener's fault must not end the watch for all others; it surfaces as what it is.
      queueMicrotask(() => {
        throw error
      })
    }
  }

  #wake(): void {
    writeSync(this.#wakeup, new BigUint64Array([1n]))
  }
}

/** A `struct epoll_event` of this machine: packed on x86-64 only. Exported for its test. */
export function encodeEpollEvent(events: number, token: number): Uint8Array {
  const bytes = new Uint8Array(layout.size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, events, true)
  view.setBigUint64(layout.data, BigInt(token), true)
  return bytes
}

function decodeTokens(events: Uint8Array, count: number): number[] {
  const view = new DataView(events.buffer)
  return Array.from({ length: Math.max(count, 0) }, (_, at) => Number(view.getBigUint64(at * layout.size + layout.data, true)))
}

async function waitForEvents(epoll: number, events: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    libc().epoll_wait.async(epoll, events, maxEvents, forever, (error: unknown, count) => {
      if (error !== null) reject(new MayflyError('INTERNAL', 'epoll_wait could not be started', { cause: error }))
      else resolve(count)
    })
  })
}

function check(result: number, call: string): number {
  if (result < 0) throw fail(call)
  return result
}

function fail(call: string): MayflyError {
  const reason = errno()
  if (reason === errnos.EMFILE || reason === errnos.ENFILE) return new MayflyError('LIMIT_EXCEEDED', `${call}: no file descriptor is left`, { hint: 'raise the limit of open files (LimitNOFILE in systemd)' })
  return new MayflyError('INTERNAL', `${call} failed: errno ${reason}`)
}

const layout = process.arch === 'x64' ? { size: 12, data: 4 } : { size: 16, data: 8 }
const maxEvents = 256
const maxFailures = 1_000
const forever = -1
const wakeupToken = 0
const ctlAdd = 1
const ctlDelete = 2
const epollIn = 1
const closeOnExec = 0o2000000
const nonBlocking = 0o4000
