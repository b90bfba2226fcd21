import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { constants } from 'node:fs'
import { MayflyError } from '../core/errors.ts'
import { errno, errnos, libc } from './linux/libc.ts'

/**
 * Holds a file for this process alone, until it disposes or dies, however it dies (flock(2) on an open descriptor). The file is made
 * when it is not there, is given this process's pid as content, and stays.
 */
export class FileLock implements Disposable {
  readonly path: string
  readonly #fd: number
  #held = true

  private constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  /** @param path a file of its own beside what it protects, such as `mayfly.db.lock`. @throws {MayflyError} STORE_LOCKED, naming the holder's pid when it is known */
  static acquire(path: string): FileLock {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    try {
      if (libc().flock(fd, lockExclusive | lockNonBlocking) !== 0) throw refusal(path, fd)
      noteHolder(fd)
      return new FileLock(path, fd)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  [Symbol.dispose](): void {
    if (!this.#held) return
    this.#held = false
    ftruncateSync(this.#fd)
    closeSync(this.#fd)
  }
}

/** For whoever is refused: on a full disk the lock is held all the same, by a process that is not named. */
function noteHolder(fd: number): void {
  try {
    ftruncateSync(fd)
    writeSync(fd, `${process.pid}\n`, 0)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT'))) throw error
  }
}

function refusal(path: string, fd: number): MayflyError {
  const reason = errno()
  if (reason !== errnos.EAGAIN) return new MayflyError('PLATFORM_UNSUPPORTED', `${path} cannot be locked: errno ${reason}`, { hint: 'keep the data on a local file system' })
  const content = Buffer.alloc(24)
  const holder = /^(\d{1,10})\n/.exec(content.toString('latin1', 0, readSync(fd, content, 0, content.length, 0)))?.[1]
  const hint = holder === undefined ? 'stop the other process, or use another data folder' : `stop process ${holder}, or use another data folder`
  return new MayflyError('STORE_LOCKED', holder === undefined ? `${path} is held by another process` : `${path} is held by process ${holder}`, { hint, details: holder === undefined ? {} : { pid: Number(holder) } })
}

const lockExclusive = 2
const lockNonBlocking = 4
