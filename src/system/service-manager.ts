import { MayflyError } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'
import { NotifySocket } from './linux/notify-socket.ts'

type Environment = Record<string, string | undefined>

/** The names of systemd's protocols, sd_notify(3) and sd_listen_fds(3): none of them is passed on to children. */
const variables = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const

/** The service manager that started this process: it is told when the process is ready, and hands over sockets that outlive it. */
export class ServiceManager implements Disposable {
  /** Descriptors of the sockets that were handed over, by the names of their units (`FileDescriptorName=`). */
  readonly listeners: ReadonlyMap<string, number>
  /** How often it wants to hear of this process; unset: never. */
  readonly watchdogMs: number | undefined
  readonly #socket: NotifySocket | undefined
  readonly #over = new AbortController()

  private constructor(listeners: ReadonlyMap<string, number>, watchdogMs: number | undefined, socket: NotifySocket | undefined) {
    this.listeners = listeners
    this.watchdogMs = watchdogMs
    this.#socket = socket
  }

  /** Takes what the environment says out of it. @param names sockets that this process has a use for @throws {MayflyError} CONFIG_INVALID for a socket of another name */
  static take(env: Environment, pid: number, names: readonly string[]): ServiceManager {
    const { NOTIFY_SOCKET: path, WATCHDOG_USEC: usec = '', WATCHDOG_PID: watched = String(pid) } = env
    const listeners = inherited(env, pid, names)
    const watchdogMs = watched === String(pid) && /^\d{1,15}$/.test(usec) && Number(usec) > 0 ? Number(usec) / 1_000 : undefined
    for (const name of variables) delete env[name]
    return new ServiceManager(listeners, watchdogMs, path === undefined || path === '' ? undefined : new NotifySocket(path))
  }

  ready(status: string): void {
    this.#socket?.send(`READY=1\nSTATUS=${status.replaceAll('\n', ' ')}`)
  }

  /** A reload has begun; {@link ready} ends it. */
  reloading(): void {
    this.#socket?.send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`)
  }

  stopping(): void {
    this.#socket?.send('STOPPING=1\nSTATUS=draining')
  }

  /** Says twice in each interval that the process goes on, until it is disposed: what blocks the event loop is noticed by its silence. */
  async keepAlive(clock: Clock): Promise<void> {
    if (this.watchdogMs === undefined) return
    const { signal } = this.#over
    while (!signal.aborted) {
      this.#socket?.send('WATCHDOG=1')
      await clock.sleep(this.watchdogMs / 2, signal).catch(() => undefined) // only aborts
    }
  }

  [Symbol.dispose](): void {
    this.#over.abort()
    this.#socket?.[Symbol.dispose]()
  }
}

/** Sockets begin at descriptor 3; those of another process are none of ours. */
function inherited({ LISTEN_PID: owner, LISTEN_FDS: count = '', LISTEN_FDNAMES: joined = '' }: Environment, pid: number, names: readonly string[]): ReadonlyMap<string, number> {
  if (owner !== String(pid) || !/^\d{1,3}$/.test(count)) return new Map()
  const given = joined.split(':')
  const listeners = new Map<string, number>()
  for (let at = 0; at < Number(count); at++) {
    const name = given[at] ?? ''
    if (!names.includes(name) || listeners.has(name)) throw new MayflyError('CONFIG_INVALID', `the service manager hands over a socket named ${JSON.stringify(name)}${listeners.has(name) ? ' twice' : ''}`, { hint: names.length === 0 ? 'this program takes none: it has no socket unit' : `set FileDescriptorName= of the socket unit to one of: ${names.join(', ')}` })
    listeners.set(name, firstDescriptor + at)
  }
  return listeners
}

const firstDescriptor = 3
