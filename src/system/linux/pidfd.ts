import { closeSync } from 'node:fs'
import { errno, errnos, libc } from './libc.ts'
import { MayflyError } from '../../core/errors.ts'

/** A pidfd: names one process for ever, however often its number is given again. */
export class Pidfd implements Disposable {
  readonly fd: number
  #closed = false

  /** Takes over the descriptor. */
  constructor(fd: number) {
    this.fd = fd
  }

  /** The process that has this pid now (pidfd_open, Linux 5.3). `undefined` when there is none, no descriptor is left, or the kernel is older. */
  static open(pid: number): Pidfd | undefined {
    const fd = libc().syscall(pidfdOpen, pid, 0)
    return fd < 0 ? undefined : new Pidfd(fd)
  }

  /** False from the moment the process has exited, zombie or not. */
  alive(): boolean {
    if (this.#closed) throw new MayflyError('INTERNAL', 'a pidfd was used after it was closed')
    asked.setInt32(0, this.fd, true)
    asked.setInt16(4, pollIn, true)
    for (;;) {
      const ready = libc().poll(pollfd, 1, 0)
      if (ready === 0) return true
      if (ready > 0) return false
      if (errno() !== errnos.EINTR) throw new MayflyError('INTERNAL', `poll of a pidfd failed: errno ${errno()}`)
    }
  }

  /** A second descriptor of the same process; `undefined` when this one is closed or none is left. */
  duplicate(): Pidfd | undefined {
    if (this.#closed) return undefined
    const fd = libc().fcntl(this.fd, duplicateCloseOnExec, 0)
    return fd < 0 ? undefined : new Pidfd(fd)
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.fd)
  }
}

/** Of every question: one is asked at a time, and each connection is asked about before each answer. */
const pollfd = new Uint8Array(8)
const asked = new DataView(pollfd.buffer)
/** The number is the same on every architecture. */
const pidfdOpen = 434
const pollIn = 1
const duplicateCloseOnExec = 1030
