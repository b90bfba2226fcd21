import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { AuthorityRewriter, mayBeJava } from './authority.ts'

/**
 * Waits for the first bytes of a client and gives the connection on: as it is, or, for one that may be Java's, in a wrapping that mends its
 * `:authority`. A wrapped connection costs more for each call, so the others are not. Gives nothing when the socket closes first.
 */
export function whenSpoken(socket: Socket, inject: (connection: Duplex) => void): void {
  let sent: Buffer = Buffer.alloc(0)
  const listen = (chunk: Buffer): void => {
    sent = Buffer.concat([sent, chunk])
    const java = mayBeJava(sent)
    if (java === undefined) return
    socket.off('data', listen)
    socket.pause()
    if (java) return inject(new MendedSocket(socket, sent))
    // Node's HTTP/2 first takes what a socket has buffered.
    socket.unshift(sent)
    inject(socket)
  }
  socket.on('data', listen)
}

/** A socket whose incoming requests have an authority that Node takes. */
class MendedSocket extends Duplex {
  readonly #socket: Socket
  readonly #rewriter = new AuthorityRewriter()

  constructor(socket: Socket, sent: Buffer) {
    super({ allowHalfOpen: false })
    this.#socket = socket
    const forward = (chunk: Buffer): void => {
      const mended = this.#rewriter.push(chunk)
      if (mended.length > 0 && !this.push(mended)) socket.pause()
    }
    socket.on('data', forward)
    socket.once('end', () => this.push(null))
    socket.once('close', () => this.destroy())
    socket.on('error', () => undefined) // 'close' follows
    forward(sent)
  }

  /** That of the socket, which is where the key of its peer is. */
  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (failure?: Error | null) => void): void {
    this.#socket.write(chunk, (failure) => {
      chunk.fill(0) // Node's copy for this stream alone, and there may be a key in it
      done(failure)
    })
  }

  override _final(done: (failure?: Error | null) => void): void {
    this.#socket.end(done)
  }

  override _destroy(failure: Error | null, done: (failure?: Error | null) => void): void {
    this.#socket.destroy()
    done(failure)
  }
}
