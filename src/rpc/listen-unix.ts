import { chmodSync, lstatSync, readFileSync, readlinkSync, unlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Server } from 'node:net'
import { connect, createServer } from 'node:net'
import { resolve } from 'node:path'
import { umask } from 'node:process'
import { MayflyError } from '../core/errors.ts'
import { keepSocket, type KeepSocketDeps } from './kept-socket.ts'

export interface UnixListenOptions {
  /** Permissions of the socket file, such as 0o600. It has them from the first moment. */
  readonly mode: number
  /** Connections at once; further ones are closed. */
  readonly maxConnections?: number
  /** A socket that listens at this path already, handed over by a service manager: its mode is that one's affair, and it outlives this process. */
  readonly fd?: number | undefined
  /** Listens anew when the file of the socket is removed while it listens; unset: it does not look. One that was handed over is not looked at. */
  readonly keep?: KeepSocketDeps
  /** Gets each connection at once, before any of its bytes has been read. */
  onConnection(socket: Socket): void
}

export interface Listener {
  /** `host:port`, or the path of the socket. */
  readonly address: string
  /** Takes no more connections; the open ones are whose they were handed to. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface UnixListener extends Listener {
  /** Other permissions for the socket file, at once. One that a service manager handed over keeps its own. @throws when the file is not there any more */
  permit(mode: number): void
}

/**
 * Listens on a Unix socket. A socket file left by a dead process is replaced; one that answers is an error, and so is a file of another kind.
 * @throws {MayflyError} SOCKET_IN_USE, INVALID_ARGUMENT; CONFIG_INVALID when what was handed over is bound elsewhere
 */
export async function listenUnix(path: string, options: UnixListenOptions): Promise<UnixListener> {
  if (Buffer.byteLength(path) > maxPathBytes) throw new MayflyError('INVALID_ARGUMENT', `the socket path is longer than ${maxPathBytes} bytes: ${path}`, { hint: 'choose a shorter data folder' })
  if (options.fd === undefined) await removeStale(path)
  let server = await open(path, options)
  let { mode } = options
  const over = new AbortController()
  if (options.keep !== undefined && options.fd === undefined) {
    const listenAgain = async (): Promise<void> => {
      server.close() // its file is gone, or this would remove the next one's
      server = await open(path, { ...options, mode })
      if (over.signal.aborted) server.close()
    }
    void keepSocket(path, listenAgain, options.keep, over.signal)
  }
  const close = async (): Promise<void> => {
    over.abort()
    server.close()
  }
  return {
    address: path,
    close,
    permit: (wanted) => {
      mode = wanted
      if (options.fd === undefined) chmodSync(path, mode)
    },
    [Symbol.asyncDispose]: close,
  }
}

async function open(path: string, options: UnixListenOptions): Promise<Server> {
  // A connection is whoever's it is handed to: half-open ones would hang there, so a peer's end is an end.
  const server = createServer({ allowHalfOpen: false, noDelay: true }, (socket) => options.onConnection(socket))
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', (failure) => reject(new MayflyError('SOCKET_IN_USE', `cannot listen on ${path}: ${failure.message}`, { cause: failure })))
    if (options.fd !== undefined) {
      server.listen({ fd: options.fd }, listenBacklog, resolve) // among the options Node passes it over, and would have the kernel take 511 for the unit's Backlog=
      return
    }
    // The file is made inside `listen`, in this tick: the mask holds others off until the mode is set.
    const before = umask(0o777 & ~options.mode)
    try {
      server.listen({ path, backlog: listenBacklog }, resolve)
    } finally {
      umask(before)
    }
  })
  const bound = options.fd === undefined ? resolve(path) : boundPathOf(options.fd)
  if (options.fd === undefined) chmodSync(path, options.mode)
  else if (bound !== resolve(path)) {
    server.close()
    throw new MayflyError('CONFIG_INVALID', `the socket that was handed over is ${bound ?? 'bound to no path'}, the configuration says ${resolve(path)}`, { hint: 'make ListenStream= of the socket unit and the configuration the same' })
  }
  server.on('error', () => undefined) // an accept that fails, such as for want of descriptors, concerns that connection only
  return server
}

/** Connections that wait to be accepted; the kernel has its own bound, net.core.somaxconn. When it is full, connecting fails at once. */
export const listenBacklog = 4_096

/** `sun_path` holds 108 bytes with its end. */
const maxPathBytes = 107

/** Node does not say it of a descriptor that it was given; the kernel does. */
function boundPathOf(fd: number): string | undefined {
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
  return readFileSync('/proc/net/unix', 'utf8').split('\n').map((line) => line.split(' ').filter((word) => word !== '')).find((words) => words[6] === inode)?.slice(7).join(' ')
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new MayflyError('SOCKET_IN_USE', `${path} exists and is not a socket`)
  if (await answers(path)) throw new MayflyError('SOCKET_IN_USE', `another process listens on ${path}`, { hint: 'stop it, or choose another data folder' })
  unlinkSync(path)
}

async function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (failure: NodeJS.ErrnoException) => {
      if (failure.code === 'ECONNREFUSED' || failure.code === 'ENOENT') resolve(false)
      else if (failure.code === 'EAGAIN') resolve(true) // its queue is full: somebody is there
      else reject(new MayflyError('SOCKET_IN_USE', `cannot look at ${path}: ${failure.message}`, { cause: failure }))
    })
  })
}
