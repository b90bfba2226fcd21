import { closeSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as koffi from 'koffi'

const library = (createRequire(import.meta.url)('koffi') as typeof koffi).load(null) // require returns any
const socket = library.func('int socket(int, int, int)')
const bind = library.func('int bind(int, void *, unsigned int)')
const listen = library.func('int listen(int, int)')
const getsockname = library.func('int getsockname(int, void *, void *)')

/** A socket that listens and that nobody accepts from, as a service manager holds it: one of Node's own would take connections itself. */
export class BoundSocket implements Disposable {
  readonly fd: number

  private constructor(family: number, address: Buffer) {
    this.fd = Number(socket(family, 1, 0))
    if (bind(this.fd, address, address.length) !== 0 || listen(this.fd, 64) !== 0) throw new Error('the socket cannot be bound')
  }

  static atPath(path: string): BoundSocket {
    const address = Buffer.alloc(110)
    address.writeUInt16LE(1, 0)
    address.write(path, 2)
    return new BoundSocket(1, address)
  }

  /** On a free port of 127.0.0.1. */
  static onLoopback(): BoundSocket {
    return new BoundSocket(2, Buffer.from([2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]))
  }

  get port(): number {
    const address = Buffer.alloc(16)
    const length = Buffer.from([16, 0, 0, 0])
    if (getsockname(this.fd, address, length) !== 0) throw new Error('the socket has no name')
    return address.readUInt16BE(2)
  }

  [Symbol.dispose](): void {
    closeSync(this.fd)
  }
}
