import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { MayflyError } from '../../src/core/errors.ts'
import type { BackupFile } from './manifest.ts'

const chunkBytes = 1_048_576

/** Size and SHA-256 of a file. @throws what node:fs does when it cannot be read */
export async function describeFile(path: string, name: string): Promise<BackupFile> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
    const part = chunk as Buffer // a stream without an encoding gives these
    bytes += part.length
    hash.update(part)
  }
  return { name, bytes, sha256: hash.digest('hex') }
}

/** Copies a file to a place where there is none, mode 0600; it is on the disk when this resolves. */
export async function copyFile(from: string, to: string): Promise<void> {
  await using source = await open(from, 'r')
  await using target = await open(to, 'wx', 0o600)
  await pour(source, target)
  await target.sync()
}

export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

/** @throws {MayflyError} STORE_UNWRITABLE when that cannot be seen */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw fileError(error, `${path} cannot be looked at`)
  }
}

/** What a failure of the file system amounts to. @param what said when it is none that has a code of its own */
export function fileError(error: unknown, what: string): MayflyError {
  if (error instanceof MayflyError) return error
  const code = codeOf(error)
  if (code === 'EEXIST' || code === 'ENOTEMPTY') return new MayflyError('ALREADY_EXISTS', `${what}: it is there already`, { cause: error, hint: 'name a place where there is nothing: nothing is overwritten' })
  const hints: Readonly<Record<string, string>> = { ENOSPC: 'the disk is full', EDQUOT: 'the disk is full', ENOENT: 'is there such a folder?', EACCES: 'may who writes it, the server while it runs, write there?', EROFS: 'the disk is read-only, or is so for this service: ReadWritePaths= of its unit' }
  return new MayflyError('STORE_UNWRITABLE', what, { cause: error, hint: hints[code ?? ''] ?? 'see the log for the cause' })
}

async function pour(source: FileHandle, target: FileHandle): Promise<void> {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length)
    if (bytesRead === 0) return
    for (let done = 0; done < bytesRead; ) done += (await target.write(buffer, done, bytesRead - done)).bytesWritten
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
