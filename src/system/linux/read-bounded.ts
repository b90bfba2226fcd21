import { closeSync, openSync, readSync } from 'node:fs'

export type BoundedText =
  | { readonly kind: 'read'; readonly text: string }
  /** No such file, or the process behind it has exited. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'denied' }
  | { readonly kind: 'too_large' }

const chunk = Buffer.alloc(64 * 1024)

/** Reads a small file whole, synchronously: for `/proc`, where nothing waits for a disk, and for `/etc`. Invalid UTF-8 becomes U+FFFD. */
export function readBounded(path: string, maxBytes: number): BoundedText {
  try {
    const fd = openSync(path, 'r')
    try {
      return readAll(fd, maxBytes)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    return failureOf(error)
  }
}

/** What a failure to read something of a process means. @throws the error itself when it means something else */
export function failureOf(error: unknown): { readonly kind: 'gone' } | { readonly kind: 'denied' } {
  const { code } = error as NodeJS.ErrnoException // what node:fs throws has one; anything else is thrown on
  if (code === 'ENOENT' || code === 'ESRCH') return { kind: 'gone' }
  if (code === 'EACCES' || code === 'EPERM') return { kind: 'denied' }
  throw error
}

function readAll(fd: number, maxBytes: number): BoundedText {
  const pieces: Buffer[] = []
  let total = 0
  for (;;) {
    const length = readSync(fd, chunk) // nothing read is the only sure end
    if (length === 0) break
    total += length
    if (total > maxBytes) return { kind: 'too_large' }
    pieces.push(Buffer.from(chunk.subarray(0, length)))
  }
  const [only] = pieces
  return { kind: 'read', text: (pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)).toString('utf8') }
}
