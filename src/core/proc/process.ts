/** What Linux tells of a process, as values: `src/system/linux` reads them, `agent/attest` judges them. */

/** SO_PEERCRED of an accepted Unix socket: who connected, as of the moment it connected. `uid` and `gid` are the effective ones. */
export interface PeerCredentials {
  /** 0 when the caller's pid namespace cannot be seen from here. */
  readonly pid: number
  readonly uid: number
  readonly gid: number
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
  /** Paths in the hierarchies of version 1 that have controllers, each once; empty on a host without. */
  readonly controllerCgroups: readonly string[]
}

/** Whose child a process is now, and when it began. */
export interface Lineage {
  /** Start in clock ticks since boot. */
  readonly startTicks: number
  readonly parentPid: number
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
