import { once } from 'node:events'
import { Socket } from 'node:net'
import { MayflyError } from '../../core/errors.ts'
import type { PeerCredentials } from '../../core/proc/process.ts'
import { errno, errnos, libc } from './libc.ts'
import { Pidfd } from './pidfd.ts'

export type { PeerCredentials }

/**
 * Who connected to this accepted Unix socket, as of that moment (SO_PEERCRED): effective uid and gid, and the pid, 0 when its
 * namespace cannot be seen. Call it in the tick that accepted.
 * @throws {MayflyError} UNAUTHENTICATED the socket is closed, or is not a Unix socket
 */
export function peerCredentials(socket: Socket): PeerCredentials {
  const value = new Uint8Array(12)
  const length = new Uint32Array([value.length])
  if (libc().getsockopt(descriptorOf(socket), solSocket, soPeerCred, value, length) !== 0 || length[0] !== value.length) {
    throw new MayflyError('UNAUTHENTICATED', `no peer credentials for this connection: errno ${errno()}`)
  }
  const view = new DataView(value.buffer)
  const credentials = { pid: view.getInt32(0, true), uid: view.getUint32(4, true), gid: view.getUint32(8, true) }
  // What the kernel says of a socket that has no peer, such as one of TCP.
  if (credentials.uid === noId || credentials.gid === noId) throw new MayflyError('UNAUTHENTICATED', 'the connection is not one of a Unix socket')
  return credentials
}

/**
 * The process that connected (SO_PEERPIDFD), whatever its pid names by now; it may have exited. `undefined` on kernels before 6.5.
 * @throws {MayflyError} PROCESS_GONE it has been waited for; LIMIT_EXCEEDED no descriptor is left; UNAUTHENTICATED as above
 */
export function peerPidfd(socket: Socket): Pidfd | undefined {
  const value = new Int32Array([-1])
  const length = new Uint32Array([4])
  if (libc().getsockopt(descriptorOf(socket), solSocket, soPeerPidfd, new Uint8Array(value.buffer), length) === 0) return new Pidfd(value[0] ?? -1)
  switch (errno()) {
    case errnos.ENOPROTOOPT:
      return undefined
    case errnos.EMFILE:
    case errnos.ENFILE:
      throw new MayflyError('LIMIT_EXCEEDED', 'no file descriptor is left to hold the caller', { hint: 'raise the limit of open files (LimitNOFILE in systemd)' })
    default:
      throw new MayflyError('PROCESS_GONE', `the process that connected has exited: errno ${errno()}`)
  }
}

/** Which peer facts this machine really gives. */
export interface PeerSupport {
  /** SO_PEERPIDFD: binding tier `pidfd`. */
  readonly pidfd: boolean
}

/**
 * Connects to itself and checks that the answer names this very process: run it once at start, before anything is trusted to
 * {@link peerCredentials}, which rests on a private field of Node's sockets. It needs no file, so that it works where nothing may be written.
 * @throws {MayflyError} PLATFORM_UNSUPPORTED
 */
export async function selfTestPeerCredentials(): Promise<PeerSupport> {
  const pair: readonly Socket[] = connectedPair()
  try {
    const [socket] = pair
    if (socket === undefined) throw new MayflyError('PLATFORM_UNSUPPORTED', `no Unix socket can be made here: errno ${errno()}`)
    const { pid, uid, gid } = peerCredentials(socket)
    if (pid !== process.pid || uid !== process.geteuid?.() || gid !== process.getegid?.()) {
      throw new MayflyError('PLATFORM_UNSUPPORTED', `peer credentials are wrong here: pid ${pid}, uid ${uid}, gid ${gid} for this process itself`)
    }
    using pidfd = peerPidfd(socket)
    if (pidfd?.alive() === false) throw new MayflyError('PLATFORM_UNSUPPORTED', 'the pidfd of a connection says that this process has exited')
    return { pidfd: pidfd !== undefined }
  } catch (cause) {
    if (cause instanceof MayflyError && cause.code === 'PLATFORM_UNSUPPORTED') throw cause
    throw new MayflyError('PLATFORM_UNSUPPORTED', 'the credentials of a peer on a Unix socket cannot be read here', { cause })
  } finally {
    await Promise.all(pair.map(async (socket) => {
      const closed = once(socket, 'close')
      socket.destroy()
      await closed
    }))
  }
}

/** Two Unix sockets of this process, connected to each other; none when the kernel refuses. */
function connectedPair(): readonly Socket[] {
  const fds = new Int32Array(2)
  if (libc().socketpair(afUnix, sockStream | sockCloexec, 0, fds) !== 0) return []
  return Array.from(fds, (fd) => new Socket({ fd }))
}

/** Node keeps the descriptor in a private field; the only place that relies on it. */
function descriptorOf(socket: Socket): number {
  const handle = (socket as unknown as { readonly _handle?: { readonly fd?: unknown } | null })._handle // no public way to it
  const fd = handle?.fd
  if (typeof fd !== 'number' || fd < 0) throw new MayflyError('UNAUTHENTICATED', 'the connection is closed')
  return fd
}

const afUnix = 1
const sockStream = 1
const sockCloexec = 0o2_000_000
const solSocket = 1
const soPeerCred = 17
const soPeerPidfd = 77
const noId = 0xffff_ffff
