import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MayflyError } from '../core/errors.ts'

/**
 * Replaces a file so that, whatever fails, its old or its new content is there whole, and the new one is on disk when this returns.
 * Follows no symbolic link at `path`.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string, mode = 0o600): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    {
      await using file = await open(temporary, 'wx', mode)
      await file.chmod(mode) // the umask does not decide
      await file.writeFile(content)
      await file.sync()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Removes a file, for good when this returns. One that is not there is no failure. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true })
  await syncDirectory(dirname(path))
}

/**
 * Makes a directory that only this user enters (0700), with whatever is above it. One that exists must be this user's own and is
 * closed to others. @throws {MayflyError} CONFIG_INVALID it is somebody else's, or not a directory
 */
export async function privateDirectory(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true }) // others may have to pass through those: to an agent's folder beside a server's
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // what node:fs throws has a code
  })
  const stat = await lstat(path)
  if (!stat.isDirectory()) throw new MayflyError('CONFIG_INVALID', `${path} is not a directory`, { hint: 'name a directory, not a link to one' })
  if (stat.uid !== process.geteuid?.()) throw new MayflyError('CONFIG_INVALID', `${path} belongs to uid ${stat.uid}, not to this user`)
  if ((stat.mode & 0o777) !== 0o700) await chmod(path, 0o700)
}

/** Makes a directory that others may read, with whatever is above it. */
export async function directory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 })
}

/** Names of what is in a directory; none when it is not there. */
export async function list(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [] // what node:fs throws has a code
    throw error
  }
}

/**
 * Content of a file of at most `maxBytes`; `undefined` when there is none. Anything but a regular file is refused, so a pipe does
 * not hang. @throws {MayflyError} LIMIT_EXCEEDED, INVALID_ARGUMENT
 */
export async function readFileBounded(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  await using file = await openToRead(path)
  if (file === undefined) return undefined
  if (!(await file.stat()).isFile()) throw new MayflyError('INVALID_ARGUMENT', `${path} is not a file`)
  const buffer = new Uint8Array(maxBytes + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) return buffer.slice(0, length)
    length += bytesRead
  }
  throw new MayflyError('LIMIT_EXCEEDED', `${path} has more than ${maxBytes} bytes`)
}

async function openToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK) // a pipe without a writer would wait
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined // what node:fs throws has a code
    throw error
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r')
  await directory.sync()
}
