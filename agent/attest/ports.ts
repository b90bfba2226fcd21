/**
 * What attestation needs of the kernel. `src/system/linux/processes.ts` keeps these promises (`linuxProcesses`,
 * `ExitWatch`); only `agent/main.ts` joins the two.
 */
import type { Socket } from 'node:net'

/** SO_PEERCRED of an accepted Unix socket: who connected, as of the moment it connected. `uid` and `gid` are the effective ones. */
export interface PeerCredentials {
  /** 0 when the caller's pid namespace cannot be seen from here. */
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** A pidfd: names one process for ever, however often its number is given again. Dispose closes the descriptor. */
export interface ProcessHandle extends Disposable {
  readonly fd: number
  /** False from the moment the process has exited, zombie or not. */
  alive(): boolean
  /** A second descriptor of the same process with a life of its own. `undefined` when no descriptor is left. */
  duplicate(): ProcessHandle | undefined
}

/** What identifies the bytes of a file without reading them. */
export interface FileIdentity {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** What `/proc/<pid>/exe` tells. */
export type Executable =
  /** The agent sees this very file at this path. */
  | { readonly kind: 'file'; readonly path: string; readonly file: FileIdentity }
  /** The file was unlinked, or its name ends as the kernel's mark for that does. */
  | { readonly kind: 'deleted'; readonly file: FileIdentity }
  /** In the agent's mount namespace another file, or none, is at that path: the path proves nothing. */
  | { readonly kind: 'elsewhere'; readonly path: string; readonly file: FileIdentity }
  /** No permission, or a kernel thread. */
  | { readonly kind: 'unreadable' }

/** One reading of `/proc/<pid>`, not yet proven to be of the process that was meant. */
export interface ProcessReading {
  readonly pid: number
  /** Start in clock ticks since boot (field 22 of stat): with the pid, names a process within one boot. */
  readonly startTicks: number
  /** Effective, as SPIRE's attestor uses. */
  readonly uid: number
  readonly gid: number
  /** Real, effective, saved and file system uid. */
  readonly uids: readonly number[]
  /** Supplementary groups, ascending as the kernel lists them. */
  readonly groups: readonly number[]
  /** Permitted capabilities, one bit each. */
  readonly capabilities: bigint
  readonly executable: Executable
  /** Path in the cgroup v2 hierarchy; `undefined` on a host without. */
  readonly cgroup: string | undefined
}

export type Reading = { readonly kind: 'read'; readonly process: ProcessReading } | { readonly kind: 'gone' }

/** Outcome of hashing an executable; `file` is the file whose bytes were hashed. */
export type Sha256 =
  | { readonly kind: 'hashed'; readonly sha256: string; readonly file: FileIdentity }
  | { readonly kind: 'too_large'; readonly file: FileIdentity }
  | { readonly kind: 'unreadable' }

/** Owner and permission bits of a file. */
export interface FileOwner {
  readonly uid: number
  readonly gid: number
  readonly mode: number
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
  read(pid: number): Reading
  /** SHA-256 of the file that `/proc/<pid>/exe` opens, lower-case hexadecimal; cached by the file's identity. */
  hashExecutable(pid: number, maxBytes: number): Promise<Sha256>
  /** Owners of a cgroup's directory and its `cgroup.procs`, and of all above it up to the root; `undefined` when they cannot be told. */
  cgroupOwners(path: string): readonly FileOwner[] | undefined
  userName(uid: number): string | undefined
  groupName(gid: number): string | undefined
}

/** Tells when processes end. One for the whole agent. */
export interface ExitWatch {
  /** Calls `onExit` once, soon after the process has exited (at once if it already has), never from inside `watch`. Dispose it before the handle. */
  watch(handle: ProcessHandle, onExit: () => void): Disposable
}
