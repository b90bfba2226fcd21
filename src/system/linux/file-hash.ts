import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { FileIdentity, Sha256 } from '../../core/proc/process.ts'
import { failureOf } from './read-bounded.ts'
import { identityOf } from './proc.ts'

/**
 * SHA-256 of files, streamed in pieces, remembered by the file's identity (device, inode, size, mtime, ctime). One file is read at a
 * time, and two that ask for the same share one reading: no crowd of callers takes more than one thread.
 */
export class FileHashes {
  readonly #known = new Map<string, Promise<string>>()
  readonly #maxKnown: number
  #last: Promise<unknown> = Promise.resolve()

  constructor(maxKnown = 1_024) {
    this.#maxKnown = maxKnown
  }

  /** @param path such as `/proc/<pid>/exe`, which opens the very file that runs, in whatever mount namespace */
  async sha256(path: string, maxBytes: number): Promise<Sha256> {
    try {
      await using handle = await open(path, 'r')
      const stat = await handle.stat({ bigint: true })
      const file = identityOf(stat)
      if (!stat.isFile()) return { kind: 'unreadable' }
      if (file.size > BigInt(maxBytes)) return { kind: 'too_large', file }
      return { kind: 'hashed', sha256: await this.#remembered(handle, file), file }
    } catch (error) {
      failureOf(error)
      return { kind: 'unreadable' }
    }
  }

  async #remembered(handle: FileHandle, file: FileIdentity): Promise<string> {
    const key = `${file.dev}:${file.ino}:${file.size}:${file.mtimeNs}:${file.ctimeNs}`
    const hash = this.#known.get(key) ?? this.#inTurn(async () => hashOf(handle, file))
    // Put in last place again, so that the first is the one least used.
    this.#known.delete(key)
    this.#known.set(key, hash)
    const [oldest] = this.#known.keys()
    if (this.#known.size > this.#maxKnown && oldest !== undefined) this.#known.delete(oldest)
    try {
      return await hash
    } catch (error) {
      this.#known.delete(key)
      throw error
    }
  }

  async #inTurn(read: () => Promise<string>): Promise<string> {
    const hash = this.#last.then(read)
    this.#last = hash.catch(() => undefined) // whoever asked hears of the failure
    return hash
  }
}

/** Reads as many bytes as the file had: one that grows meanwhile has another identity by then. */
async function hashOf(handle: FileHandle, file: FileIdentity): Promise<string> {
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafe(pieceBytes)
  let left = Number(file.size)
  while (left > 0) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(left, pieceBytes))
    if (bytesRead === 0) break
    hash.update(piece.subarray(0, bytesRead))
    left -= bytesRead
  }
  return hash.digest('hex')
}

const pieceBytes = 256 * 1024
