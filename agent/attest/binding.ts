import type { FileOwner, ProcessReading } from './ports.ts'

/**
 * What ties an identity to the process that asked (design 7), strongest first.
 *
 * - `cgroup`: as `pidfd`, and the process sits in a cgroup v2 that root owns all the way up and that neither it nor its
 *   children can leave or be joined by: the cgroup's path is a fact about the whole tree of processes.
 * - `pidfd`: the kernel names the very process that connected (SO_PEERPIDFD, Linux 6.5): reuse of its pid is excluded.
 * - `pid`: the number that the kernel recorded at connect, then pidfd_open and the start time read before and after
 *   (Linux 5.3). A process that died between connect and accept, whose number was given at once to another of the same
 *   uid and gid, would be mistaken for it; from accept on reuse is excluded.
 *
 * All name whoever connected: a process that inherited the socket is answered while that one lives. None excludes code of the
 * same uid, which may trace the workload or read its memory.
 */
export type BindingTier = 'cgroup' | 'pidfd' | 'pid'

const strength: Readonly<Record<BindingTier, number>> = { cgroup: 3, pidfd: 2, pid: 1 }

export function isAtLeast(tier: BindingTier, wanted: BindingTier): boolean {
  return strength[tier] >= strength[wanted]
}

/** CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID, SYS_PTRACE, SYS_ADMIN: with any of these a process can move itself. */
const escaping = [0n, 1n, 3n, 6n, 7n, 19n, 21n].reduce((mask, bit) => mask | (1n << bit), 0n)

/** Whether a process may move itself to whatever cgroup it likes. */
export function canEscape(process: ProcessReading): boolean {
  return process.uids.includes(0) || (process.capabilities & escaping) !== 0n
}

/**
 * Whether a process cannot leave its cgroup: it is not in the root, all uids are ordinary, it has no capability that gives it
 * root's write access, and only root may write the directory and `cgroup.procs` of the cgroup and of each one above.
 */
export function isConfined(process: ProcessReading, owners: readonly FileOwner[] | undefined): boolean {
  if (process.cgroup === undefined || process.cgroup === '/' || owners === undefined || owners.length === 0) return false
  if (canEscape(process)) return false
  return owners.every((owner) => owner.uid === 0 && (owner.mode & 0o022) === 0)
}
