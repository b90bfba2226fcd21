import type { StreamFrame } from '../../src/verify/reader.ts'

/** A signed frame as all subscribers share it, with the key that signed it. */
export interface SharedFrame {
  readonly bytes: Uint8Array
  readonly key: { readonly keyId: Uint8Array; readonly chain: readonly Uint8Array[] }
}

const maxQueuedFrames = 256
const maxQueuedBytes = 4_194_304

/** The bounded queue of one subscriber. One that does not keep up loses its queue and gets a snapshot instead when it comes back. */
export class Subscriber {
  #queue: SharedFrame[] = []
  #queuedBytes = 0
  #lagging = false
  #wake: (() => void) | undefined
  #lastKey: SharedFrame['key'] | undefined

  push(frame: SharedFrame): void {
    if (this.#lagging) return
    this.#queue.push(frame)
    this.#queuedBytes += frame.bytes.length
    if (this.#queue.length > maxQueuedFrames || this.#queuedBytes > maxQueuedBytes) this.lag()
    this.#wake?.()
  }

  /** Gives up on what is queued: a snapshot must follow. */
  lag(): void {
    this.#lagging = true
    this.#queue = []
    this.#queuedBytes = 0
    this.#wake?.()
  }

  get lagging(): boolean {
    return this.#lagging
  }

  /** Starts over with an empty queue: what was queued is in what the subscriber is sent next. */
  reset(): void {
    this.#lagging = false
    this.#queue = []
    this.#queuedBytes = 0
  }

  take(): SharedFrame | undefined {
    const frame = this.#queue.shift()
    this.#queuedBytes -= frame?.bytes.length ?? 0
    return frame
  }

  /** Resolves when there is something to take, or to do about lag, or when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#lagging || this.#queue.length > 0) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        this.#wake = undefined
        resolve()
      }
      this.#wake = done
      signal.addEventListener('abort', done, { once: true })
    })
  }

  /** The message for this subscriber: with the certificate of the key when that is new to it. */
  messageOf({ bytes, key }: SharedFrame): StreamFrame {
    const isNew = this.#lastKey !== key
    this.#lastKey = key
    return { frame: bytes, signerChain: isNew ? key.chain : [] }
  }
}
