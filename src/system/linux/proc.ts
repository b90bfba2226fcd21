import { readlinkSync, statSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { controllerPathsOf, parseProcCgroup, unifiedMountOf, unifiedPathOf } from '../../core/proc/cgroup.ts'
import type { Executable, FileIdentity, FileOwner, Lineage, Reading } from '../../core/proc/process.ts'
import { parseProcStat } from '../../core/proc/stat.ts'
import { parseProcStatus } from '../../core/proc/status.ts'
import { remembered } from '../../core/remembered.ts'
import { readProcFile, type ProcFile } from './proc-files.ts'
import { readBounded } from './read-bounded.ts'

/**
 * Reads what is needed of `/proc/<pid>`: four small reads of kernel memory, synchronous and bounded, from files that stay open. Whatever process has the pid
 * now; the caller proves that it is the one meant. Gone also when /proc hides it or the text is not what the kernel writes.
 */
export function readProcess(pid: number): Reading {
  const stat = readOf(pid, 'stat', parseProcStat, true)
  const status = readOf(pid, 'status', parseProcStatus, true)
  const places = readOf(pid, 'cgroup', placesIn, true)
  if (stat === undefined || status === undefined || stat.pid !== pid) return { kind: 'gone' }
  return {
    kind: 'read',
    process: {
      pid,
      startTicks: stat.startTicks,
      uid: status.uids[1],
      gid: status.gids[1],
      uids: status.uids,
      groups: status.groups,
      capabilities: status.permittedCapabilities,
      executable: readExecutable(pid),
      cgroup: places?.unified,
      controllerCgroups: places?.controllers ?? [],
    },
  }
}

/** Start of the process that has this pid now, in clock ticks since boot; `undefined` when there is none. One that has exited and is not yet waited for is none. */
export function startTicks(pid: number): number | undefined {
  return lineage(pid)?.startTicks
}

/** The cgroup (version 2) of the process that has this pid now; `undefined` when there is none, or no such hierarchy. */
export function cgroupOf(pid: number): string | undefined {
  return readOf(pid, 'cgroup', placesIn)?.unified
}

/** Whose child the process is that has this pid now; `undefined` as for {@link startTicks}. */
export function lineage(pid: number): Lineage | undefined {
  const stat = readOf(pid, 'stat', parseProcStat)
  return stat === undefined || stat.pid !== pid || stat.state === 'Z' || stat.state === 'X' ? undefined : { startTicks: stat.startTicks, parentPid: stat.parentPid }
}

/**
 * What the process runs. The path is the kernel's word for where the file lies, seen from the process's own mounts, and whoever may
 * make a user namespace may mount over any path there: it is believed only if this process finds the same file at it.
 */
function readExecutable(pid: number): Executable {
  const link = `/proc/${pid}/exe`
  try {
    const path = readlinkSync(link)
    const file = identityOf(statSync(link, { bigint: true }))
    if (path.endsWith(deletedMark)) return { kind: 'deleted', file }
    return isAt(path, file) ? { kind: 'file', path, file } : { kind: 'elsewhere', path, file }
  } catch {
    return { kind: 'unreadable' } // whatever the errno: no permission, a kernel thread, just gone, a path beyond all limits
  }
}

export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return { dev, ino, size, mtimeNs, ctimeNs }
}

/**
 * Owners of a cgroup v2's directory and `cgroup.procs`, and of all above it up to the mount. `undefined` without a mounted
 * hierarchy, or when the cgroup is outside this process's cgroup namespace, or gone.
 */
export function cgroupOwners(path: string): readonly FileOwner[] | undefined {
  const mount = cgroupMount()
  const segments = path.split('/').slice(1)
  if (mount === undefined || !path.startsWith('/') || segments.includes('..')) return undefined
  const owners: FileOwner[] = []
  for (let depth = segments.length; depth >= 0; depth--) {
    const directory = [mount, ...segments.slice(0, depth)].join('/')
    for (const name of [directory, `${directory}/cgroup.procs`]) {
      const stat = statSync(name, { throwIfNoEntry: false })
      if (stat === undefined) return undefined
      owners.push({ uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777 })
    }
  }
  return owners
}

/** Where `/proc/<pid>/cgroup` says that a process is; `undefined` for any other text. */
const placesIn = remembered((text) => {
  const memberships = parseProcCgroup(text)
  return memberships === undefined ? undefined : { unified: unifiedPathOf(memberships), controllers: controllerPathsOf(memberships) }
}, 256)

const deletedMark = ' (deleted)'
const maxMountInfoBytes = 1024 * 1024
let knownMount: { readonly path: string | undefined } | undefined

function isAt(path: string, file: FileIdentity): boolean {
  try {
    const found = statSync(path, { bigint: true })
    return path.startsWith('/') && found.dev === file.dev && found.ino === file.ino
  } catch {
    return false // not there, or not for this process to see
  }
}

function readOf<T>(pid: number, name: ProcFile, parse: (text: string) => T | undefined, keep = false): T | undefined {
  const text = readProcFile(pid, name, keep)
  return text === undefined ? undefined : parse(text)
}

/** Where version 2 is mounted. Read once: the hierarchy is mounted before any service starts. */
export function cgroupMount(): string | undefined {
  if (knownMount === undefined) {
    const mounts = readBounded('/proc/self/mountinfo', maxMountInfoBytes)
    knownMount = { path: mounts.kind === 'read' ? unifiedMountOf(mounts.text) : undefined }
  }
  return knownMount.path
}
