import { close, fsync, open, openSync, read, write } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { MayflyError } from '../../../src/core/errors.ts'
import { checkpointPages } from './database.ts'

const chunkBytes = 1_048_576
const ioOf = { open: promisify(open), close: promisify(close), sync: promisify(fsync) }

/**
 * Copies an open database while it is written. All that is committed is moved from the log into the file, and while the copy is made the log keeps what comes after: the file
 * stands still, and nobody waits. The descriptor that reads it stays open as long as the database: closing one drops the locks that this process has on the file.
 */
export class DatabaseCopies {
  readonly #path: string
  #reading: number | undefined
  #underWay = 0
  #isOver = false

  constructor(path: string) {
    this.#path = path
  }

  /** Begun between transactions. @throws {MayflyError} ALREADY_EXISTS, STORE_UNWRITABLE, SHUTTING_DOWN */
  async copyTo(path: string, database: DatabaseSync): Promise<void> {
    if (this.#path === ':memory:') return copyOfMemory(path, database)
    const target = await ioOf.open(path, 'wx', 0o600).catch((error: unknown) => {
      throw unwritable(error, path)
    })
    try {
      if (this.#isOver) throw new MayflyError('SHUTTING_DOWN', 'the store was closed')
      this.#hold(database)
      try {
        await copyAll((this.#reading ??= openSync(this.#path, 'r')), target)
      } finally {
        this.#release(database)
      }
      if (this.#isOver) throw new MayflyError('SHUTTING_DOWN', 'the store was closed while the copy was made')
      await ioOf.sync(target)
      await ioOf.close(target)
    } catch (error) {
      await ioOf.close(target).catch(() => undefined) // closed already
      await rm(path, { force: true })
      throw unwritable(error, path)
    }
  }

  /** After the database was closed. */
  end(): void {
    this.#isOver = true
    if (this.#reading !== undefined) close(this.#reading)
    this.#reading = undefined
  }

  /** The log is emptied into the file, and no more of it until {@link DatabaseCopies.#release}. */
  #hold(database: DatabaseSync): void {
    if (this.#underWay === 0) {
      const done = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
      if (done?.['busy'] !== 0) throw new MayflyError('STORE_UNWRITABLE', 'the log could not be moved into the database')
      database.exec('PRAGMA wal_autocheckpoint = 0')
    }
    this.#underWay++
  }

  #release(database: DatabaseSync): void {
    this.#underWay--
    if (this.#underWay === 0 && database.isOpen) database.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}`)
  }
}

async function copyAll(from: number, to: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  const readAt = (position: number): Promise<number> => new Promise((resolve, reject) => read(from, buffer, 0, buffer.length, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error))))
  const writeAll = async (length: number): Promise<void> => {
    for (let done = 0; done < length; ) {
      done += await new Promise<number>((resolve, reject) => write(to, buffer, done, length - done, (error, bytes) => (error === null ? resolve(bytes) : reject(error))))
    }
  }
  for (let at = 0, bytes = await readAt(0); bytes > 0; at += bytes, bytes = await readAt(at)) await writeAll(bytes)
}

async function copyOfMemory(path: string, database: DatabaseSync): Promise<void> {
  await ioOf.close(
    await ioOf.open(path, 'wx', 0o600).catch((error: unknown) => {
      throw unwritable(error, path)
    }),
  )
  database.prepare('VACUUM INTO ?').run(path) // an empty file is taken
}

function unwritable(error: unknown, path: string): MayflyError {
  if (error instanceof MayflyError) return error
  if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return new MayflyError('ALREADY_EXISTS', `${path} is there already`)
  return new MayflyError('STORE_UNWRITABLE', 'the copy could not be written', { cause: error, hint: 'is the disk full, or the folder not there?' })
}
