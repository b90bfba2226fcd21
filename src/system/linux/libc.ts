import { createRequire } from 'node:module'
import type * as koffi from 'koffi'
import { MayflyError } from '../../core/errors.ts'

/** The C library's calls that Node has no way to make. Each returns -1 for a failure, with the reason in {@link errno}. */
export interface Libc {
  clock_gettime(clock: number, timespec: BigInt64Array): number
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint32Array): number
  poll(fds: Uint8Array, count: number, timeoutMs: number): number
  flock(fd: number, operation: number): number
  epoll_create1(flags: number): number
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array | null): number
  epoll_wait: koffi.KoffiFunc<(epoll: number, events: Uint8Array, maxEvents: number, timeoutMs: number) => number>
  eventfd(initial: number, flags: number): number
  socket(domain: number, type: number, protocol: number): number
  socketpair(domain: number, type: number, protocol: number, fds: Int32Array): number
  sendto(fd: number, message: Uint8Array, length: number, flags: number, address: Uint8Array, addressLength: number): number
  fcntl(fd: number, command: number, argument: number): number
  syscall(number: number, a: number, b: number): number
  /** glibc alone has it. */
  readonly malloc_trim: ((keepBytes: number) => number) | undefined
}

let loaded: { readonly libc: Libc; readonly koffi: typeof koffi } | undefined

/** Loads koffi when first called (15 ms), not when imported. @throws {MayflyError} PLATFORM_UNSUPPORTED on anything but Linux */
export function libc(): Libc {
  return load().libc
}

/** Why the last call failed: one of {@link errnos}, or another number of errno(3). */
export function errno(): number {
  return load().koffi.errno()
}

/** The same on x86-64 and arm64. */
export const errnos = { EPERM: 1, ESRCH: 3, EINTR: 4, EAGAIN: 11, ENFILE: 23, EMFILE: 24, ENOSYS: 38, ENOPROTOOPT: 92 } as const

function load(): { readonly libc: Libc; readonly koffi: typeof koffi } {
  if (loaded !== undefined) return loaded
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) {
    throw new MayflyError('PLATFORM_UNSUPPORTED', `mayfly's server and agent run on Linux, x64 or arm64, not on ${process.platform} ${process.arch}`)
  }
  const native = require('koffi') as typeof koffi // require returns any; the package is pinned, and so are its types
  const library = native.load(null)
  loaded = {
    koffi: native,
    libc: {
      clock_gettime: library.func('int clock_gettime(int, void *)'),
      getsockopt: library.func('int getsockopt(int, int, int, void *, void *)'),
      poll: library.func('int poll(void *, unsigned long, int)'),
      flock: library.func('int flock(int, int)'),
      epoll_create1: library.func('int epoll_create1(int)'),
      epoll_ctl: library.func('int epoll_ctl(int, int, int, void *)'),
      epoll_wait: library.func('int epoll_wait(int, void *, int, int)') as Libc['epoll_wait'], // koffi types its functions as any
      eventfd: library.func('int eventfd(unsigned int, int)'),
      socket: library.func('int socket(int, int, int)'),
      socketpair: library.func('int socketpair(int, int, int, void *)'),
      sendto: library.func('long sendto(int, void *, size_t, int, void *, unsigned int)'),
      fcntl: library.func('int fcntl(int, int, long)'),
      syscall: library.func('long syscall(long, long, long)'),
      malloc_trim: whereKnown(() => library.func('int malloc_trim(size_t)') as Libc['malloc_trim']), // koffi types its functions as any
    },
  }
  return loaded
}

const require = createRequire(import.meta.url)

function whereKnown<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch {
    return undefined // this C library has no such function
  }
}
