import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js'

/** What one message was written to on its way out. */
export class SecretCopies {
  readonly #copies: Uint8Array[] = []

  /** Of the message as it was encoded: whoever copies it on overwrites it, and the copy is kept for {@link wipe}. */
  follow(encoded: Buffer): Buffer {
    Object.defineProperty(encoded, 'copy', {
      value: (target: Uint8Array, at = 0): number => {
        target.set(encoded, at)
        this.#copies.push(target)
        const { length } = encoded
        encoded.fill(0)
        return length
      },
    })
    return encoded
  }

  /** Overwrites all of them; said once they have left, or will not leave any more. */
  wipe(): void {
    for (const copy of this.#copies.splice(0)) copy.fill(0)
  }
}

const marked = new WeakMap<object, SecretCopies>()

/**
 * Marks a message of a stream as secret: once it has left, or its call is over, nothing of what gRPC wrote it to is left in memory. The message itself is the caller's.
 * grpc-js 1.14 puts an encoded message behind its length by `copy`; `test/timelines/key-traces.test.ts` looks for what it would leave.
 */
export function secret<T extends object>(message: T): T {
  marked.set(message, new SecretCopies())
  return message
}

/** `undefined` for a message that is nobody's secret. */
export function secretCopiesOf(message: object): SecretCopies | undefined {
  return marked.get(message)
}

/** Writes a message to a call. What a secret one was written to is overwritten before `done`, or once nothing of the call is sent any more. */
export function writeMessage(call: ServerWritableStream<object, object> | ServerDuplexStream<object, object>, message: object, done: (error: Error | null | undefined) => void): void {
  const copies = marked.get(message)
  if (copies === undefined) return void call.write(message, done)
  const wipe = (): void => copies.wipe()
  call.once('cancelled', wipe) // said of every call that is over
  call.write(message, (error: Error | null | undefined) => {
    call.off('cancelled', wipe)
    wipe()
    done(error)
  })
}
