import { createRequire } from 'node:module'
import { closeSync } from 'node:fs'
import type * as koffi from 'koffi'

const library = (createRequire(import.meta.url)('koffi') as typeof koffi).load(null) // require returns any
const socket = library.func('int socket(int, int, int)')
const bind = library.func('int bind(int, void *, unsigned int)')
const recv = library.func('long recv(int, void *, size_t, int)')

/** The other end of `$NOTIFY_SOCKET`: what systemd would hear. */
export class NotifyReceiver implements Disposable {
  readonly heard: string[] = []
  readonly #fd: number
  readonly #timer: NodeJS.Timeout

  /** @param path of the socket file to make, or a name after `@` */
  constructor(path: string) {
    const name = Buffer.from(path)
    const address = Buffer.alloc(2 + name.length + (path.startsWith('@') ? 0 : 1))
    address.writeUInt16LE(1, 0)
    name.copy(address, 2)
    if (path.startsWith('@')) address[2] = 0
    this.#fd = Number(socket(1, 2, 0))
    if (bind(this.#fd, address, address.length) !== 0) throw new Error(`cannot bind ${path}`)
    this.#timer = setInterval(() => this.#receive(), 5)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    closeSync(this.#fd)
  }

  #receive(): void {
    const buffer = Buffer.alloc(4_096)
    for (;;) {
      const length = Number(recv(this.#fd, buffer, buffer.length, 0x40))
      if (length < 0) return
      this.heard.push(buffer.subarray(0, length).toString())
    }
  }
}
