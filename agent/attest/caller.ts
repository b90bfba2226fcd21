import type { Socket } from 'node:net'
import { MayflyError } from '../../src/core/errors.ts'
import type { BindingTier } from './binding.ts'
import type { PeerCredentials, ProcessHandle, Processes } from './ports.ts'
import { SharedHandles } from './shared-handles.ts'

/** `auto`: the strongest that the kernel offers. Anything else is forced, for tests and for hosts that must not go below it. */
export type TierChoice = 'auto' | BindingTier

/**
 * The process at the other end of one accepted connection, and a hold on it that survives reuse of its pid. Says who connected,
 * not who holds the socket now. Dispose it when the connection closes.
 */
export class Caller implements Disposable {
  readonly pid: number
  /** Effective uid at connect. */
  readonly uid: number
  /** Effective gid at connect. */
  readonly gid: number
  /** Start in clock ticks since boot. */
  readonly startTicks: number
  /** What the connection alone proves; {@link attest} may find the stronger `cgroup`. */
  readonly tier: 'pidfd' | 'pid'
  /** `undefined` on kernels before 5.3, or when no descriptor is left. */
  readonly handle: ProcessHandle | undefined
  readonly #processes: Processes
  #disposed = false

  private constructor(fields: CallerFields, processes: Processes) {
    this.pid = fields.pid
    this.uid = fields.uid
    this.gid = fields.gid
    this.startTicks = fields.startTicks
    this.tier = fields.tier
    this.handle = fields.handle
    this.#processes = processes
  }

  /**
   * Reads who connected. Synchronous: call it in the tick that accepted the socket.
   * @throws {MayflyError} PROCESS_GONE it has exited; UNAUTHENTICATED its pid cannot be seen from here; PLATFORM_UNSUPPORTED the
   * kernel has not the tier that is forced
   */
  static of(socket: Socket, processes: Processes, choice: TierChoice = 'auto'): Caller {
    const peer = processes.peerCredentials(socket)
    if (peer.pid <= 0) {
      throw new MayflyError('UNAUTHENTICATED', 'the caller is in a pid namespace that the agent cannot see', { hint: 'run the agent in the pid namespace of the host' })
    }
    const peerHandle = choice === 'pid' ? undefined : processes.peerHandle(socket)
    if (peerHandle === undefined && (choice === 'pidfd' || choice === 'cgroup')) {
      throw new MayflyError('PLATFORM_UNSUPPORTED', `binding tier ${choice} is forced and this kernel cannot name the caller by a pidfd`, { hint: 'Linux 6.5 or newer has it' })
    }
    return Caller.#settled(peer, peerHandle, processes)
  }

  /**
   * A process that somebody names by its pid, as `mayfly why <pid>` does; it has connected to nothing and proven nothing. Of tier `pid`.
   * @throws {MayflyError} PROCESS_GONE there is none
   */
  static named(pid: number, processes: Processes): Caller {
    const reading = processes.read(pid)
    if (reading.kind === 'gone') throw new MayflyError('PROCESS_GONE', `there is no process ${pid}`)
    const { uid, gid } = reading.process
    return Caller.#settled({ pid, uid, gid }, undefined, processes)
  }

  /** The process of a connection, held for longer than that lasts. @throws {MayflyError} PROCESS_GONE */
  static same(caller: Caller, processes: Processes): Caller {
    if (!caller.alive()) throw new MayflyError('PROCESS_GONE', `process ${caller.pid} has exited`)
    const { pid, uid, gid, startTicks, tier } = caller
    return new Caller({ pid, uid, gid, startTicks, tier, handle: caller.handle?.duplicate() }, processes)
  }

  /**
   * A child of a process that has proven itself, named by it with the pid that it has for that process. Of the parent's tier: it has not been waited for, so while the parent lives its number is its own.
   * @throws {MayflyError} PROCESS_GONE; PERMISSION_DENIED it is no child of that process, or runs under another uid
   */
  static childOf(parent: Caller, known: number, processes: Processes): Caller {
    const pid = processes.pidKnownAs(known, parent.pid)
    if (pid === undefined) throw new MayflyError('PROCESS_GONE', `process ${parent.pid} has no child ${known}`)
    const child = Caller.named(pid, processes)
    try {
      const isChild = processes.lineage(pid)?.parentPid === parent.pid && processes.startTicks(pid) === child.startTicks && parent.alive()
      if (!isChild) throw new MayflyError('PERMISSION_DENIED', `process ${pid} is no child of process ${parent.pid}`, { hint: 'name a process that the caller started itself' })
      if (child.uid !== parent.uid) throw new MayflyError('PERMISSION_DENIED', `process ${pid} runs under uid ${child.uid}, its parent under ${parent.uid}`)
      const handle = child.handle?.duplicate()
      const tier = handle === undefined ? 'pid' : parent.tier
      return new Caller({ pid, uid: child.uid, gid: child.gid, startTicks: child.startTicks, tier, handle }, processes)
    } finally {
      child[Symbol.dispose]()
    }
  }

  /** Start time, descriptor, start time: what the descriptor names is what started then. */
  static #settled(peer: PeerCredentials, peerHandle: ProcessHandle | undefined, processes: Processes): Caller {
    const before = processes.startTicks(peer.pid)
    const handle = peerHandle ?? processes.openHandle(peer.pid)
    const after = processes.startTicks(peer.pid)
    if (before === undefined || before !== after || handle?.alive() === false) {
      handle?.[Symbol.dispose]()
      throw new MayflyError('PROCESS_GONE', `process ${peer.pid} has exited`)
    }
    const shared = handle === undefined ? undefined : handlesOf(processes).share(processKey({ pid: peer.pid, startTicks: before }), handle)
    return new Caller({ ...peer, startTicks: before, tier: peerHandle === undefined ? 'pid' : 'pidfd', handle: shared }, processes)
  }

  /** Whether the process that connected still runs; an exited one not yet waited for does not. False once disposed: it can no longer be told. */
  alive(): boolean {
    if (this.#disposed) return false
    return this.handle === undefined ? this.#processes.startTicks(this.pid) === this.startTicks : this.handle.alive()
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    this.handle?.[Symbol.dispose]()
  }
}

const handles = new WeakMap<Processes, SharedHandles>()

function handlesOf(processes: Processes): SharedHandles {
  const known = handles.get(processes) ?? new SharedHandles()
  handles.set(processes, known)
  return known
}

/** Names a process within one boot of the machine. */
export function processKey(process: { readonly pid: number; readonly startTicks: number }): string {
  return `${process.pid}:${process.startTicks}`
}

interface CallerFields {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  readonly startTicks: number
  readonly tier: 'pidfd' | 'pid'
  readonly handle: ProcessHandle | undefined
}
