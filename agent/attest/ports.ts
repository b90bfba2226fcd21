/**
 * What attestation needs of the kernel. `src/system/linux/processes.ts` keeps these promises (`linuxProcesses`,
 * `ExitWatch`); only `agent/main.ts` joins the two.
 */
import type { Socket } from 'node:net'
import type { FileOwner, Lineage, PeerCredentials, Reading, Sha256 } from '../../src/core/proc/process.ts'

export type { Executable, FileIdentity, FileOwner, Lineage, PeerCredentials, ProcessReading, Reading, Sha256 } from '../../src/core/proc/process.ts'

/** A pidfd: names one process for ever, however often its number is given again. Dispose closes the descriptor. */
export interface ProcessHandle extends Disposable {
  readonly fd: number
  /** False from the moment the process has exited, zombie or not. */
  alive(): boolean
  /** A second descriptor of the same process with a life of its own. `undefined` when this one is closed or no descriptor is left. */
  duplicate(): ProcessHandle | undefined
}

/** Everything synchronous reads memory of the kernel only, never a disk; bounded in size. */
export interface Processes {
  /** @throws {MayflyError} UNAUTHENTICATED when the socket is closed or is not a Unix socket */
  peerCredentials(socket: Socket): PeerCredentials
  /** SO_PEERPIDFD (Linux 6.5): the process that connected, whatever its pid names now. `undefined` on an older kernel. */
  peerHandle(socket: Socket): ProcessHandle | undefined
  /** pidfd_open (Linux 5.3): whatever process has this pid now. `undefined` when there is none, or on an older kernel. */
  openHandle(pid: number): ProcessHandle | undefined
  /** `undefined` when there is no such process. */
  startTicks(pid: number): number | undefined
  /** `undefined` when there is no such process. */
  lineage(pid: number): Lineage | undefined
  /** The pid, as seen from here, of the child that a process knows by `known`, which is another in a container; `undefined` when it has none. Without pid namespaces between them it is `known`, child or not. */
  pidKnownAs(known: number, parentPid: number): number | undefined
  /** `undefined` when there is no such process, or no cgroups of version 2. */
  cgroupOf(pid: number): string | undefined
  read(pid: number): Reading
  /** SHA-256 of the file that `/proc/<pid>/exe` opens, lower-case hexadecimal; cached by the file's identity. */
  hashExecutable(pid: number, maxBytes: number): Promise<Sha256>
  /** Owners of a cgroup's directory and its `cgroup.procs`, and of all above it up to the root; `undefined` when they cannot be told. */
  cgroupOwners(path: string): readonly FileOwner[] | undefined
  /** Which run of a unit of systemd is the present one, 32 hexadecimal digits; `undefined` without systemd, or when the unit does not run. */
  unitInvocation(unit: string): string | undefined
  userName(uid: number): string | undefined
  groupName(gid: number): string | undefined
}

/** Tells when processes end. One for the whole agent. */
export interface ExitWatch {
  /** Calls `onExit` once, soon after the process has exited (at once if it already has), never from inside `watch`. Dispose it before the handle. */
  watch(handle: ProcessHandle, onExit: () => void): Disposable
}
