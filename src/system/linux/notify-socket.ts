import { closeSync } from 'node:fs'
import { errno, libc } from './libc.ts'
import { MayflyError } from '../../core/errors.ts'

/** A datagram socket to systemd, or to whoever set `$NOTIFY_SOCKET`: Node has none. */
export class NotifySocket implements Disposable {
  readonly #fd: number
  readonly #address: Uint8Array
  #closed = false

  /** @param path of a socket file, or a name after `@` @throws {MayflyError} INVALID_ARGUMENT, PLATFORM_UNSUPPORTED */
  constructor(path: string) {
    this.#address = addressOf(path)
    this.#fd = libc().socket(afUnix, sockDgram | sockCloexec, 0)
    if (this.#fd < 0) throw new MayflyError('PLATFORM_UNSUPPORTED', `no datagram socket: errno ${errno()}`)
  }

  /** Sends one message; false when nobody takes it, which changes nothing for the sender. */
  send(text: string): boolean {
    if (this.#closed) return false
    const message = Buffer.from(text)
    return libc().sendto(this.#fd, message, message.length, msgNoSignal | msgDontWait, this.#address, this.#address.length) === message.length
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#fd)
  }
}

/** `struct sockaddr_un`, as long as its path: a name after `@` is abstract, and begins with a zero byte. */
function addressOf(path: string): Uint8Array {
  const name = Buffer.from(path)
  if ((name[0] !== slash && name[0] !== at) || name.length > maxPathBytes || name.length < 2) throw new MayflyError('INVALID_ARGUMENT', `$NOTIFY_SOCKET is no path: ${path.slice(0, 200)}`)
  const abstract = name[0] === at
  const address = new Uint8Array(2 + name.length + (abstract ? 0 : 1))
  new DataView(address.buffer).setUint16(0, afUnix, true)
  address.set(name, 2)
  if (abstract) address[2] = 0
  return address
}

const slash = 0x2f
const at = 0x40
const maxPathBytes = 107
const afUnix = 1
const sockDgram = 2
const sockCloexec = 0o2000000
const msgDontWait = 0x40
const msgNoSignal = 0x4000
