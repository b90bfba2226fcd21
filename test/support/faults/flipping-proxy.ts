import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'
import type { Random } from '../../../src/ports/random.ts'

/** Passes connections on to where they should go. While it is told to, one byte of each so many pieces that come back has one bit flipped. */
export class FlippingProxy implements AsyncDisposable {
  /** Pieces of which one is spoilt; 0: none. */
  oneIn = 0
  flipped = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #pieces = 0

  private constructor(to: NetConnectOpts, random: Random) {
    this.#server = createServer((near) => {
      const far = connect(to)
      for (const [one, other] of [[near, far], [far, near]] as const) {
        this.#sockets.add(one)
        one.on('error', () => undefined).once('close', () => {
          this.#sockets.delete(one)
          other.destroy()
        })
      }
      near.on('data', (bytes) => void far.write(bytes))
      far.on('data', (bytes) => void near.write(this.#spoil(bytes, random)))
    })
  }

  /** @param at a path for a Unix socket, else a free port of 127.0.0.1 */
  static async start(to: NetConnectOpts, random: Random, at?: string): Promise<FlippingProxy> {
    const proxy = new FlippingProxy(to, random)
    await new Promise<void>((resolve) => void (at === undefined ? proxy.#server.listen(0, '127.0.0.1', resolve) : proxy.#server.listen(at, resolve)))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #spoil(bytes: Buffer, random: Random): Buffer {
    if (this.oneIn === 0 || ++this.#pieces % this.oneIn !== 0) return bytes
    this.flipped++
    return flippedBit(bytes, random)
  }
}

/** A copy of which one bit, anywhere, is the other. */
export function flippedBit(bytes: Uint8Array, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4)
  const at = ((a << 16) | (b << 8) | c) % Math.max(1, copy.length)
  copy[at] = (copy[at] ?? 0) ^ (1 << (d & 7))
  return copy
}
