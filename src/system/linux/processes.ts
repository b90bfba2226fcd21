import type { Sha256 } from '../../core/proc/process.ts'
import { pidKnownAs } from './children.ts'
import { FileHashes } from './file-hash.ts'
import { peerCredentials, peerPidfd } from './peer-credentials.ts'
import { Pidfd } from './pidfd.ts'
import { cgroupOf, cgroupOwners, lineage, readProcess, startTicks } from './proc.ts'
import { unitInvocation } from './units.ts'
import { groupName, userName } from './user-names.ts'

/** All that the agent's attestation asks of Linux: keeps the promises of `agent/attest/ports.ts`. */
export interface LinuxProcesses {
  readonly peerCredentials: typeof peerCredentials
  readonly peerHandle: typeof peerPidfd
  readonly openHandle: (pid: number) => Pidfd | undefined
  readonly startTicks: typeof startTicks
  readonly lineage: typeof lineage
  readonly pidKnownAs: typeof pidKnownAs
  readonly cgroupOf: typeof cgroupOf
  readonly read: typeof readProcess
  readonly hashExecutable: (pid: number, maxBytes: number) => Promise<Sha256>
  readonly cgroupOwners: typeof cgroupOwners
  readonly unitInvocation: typeof unitInvocation
  readonly userName: typeof userName
  readonly groupName: typeof groupName
}

export function linuxProcesses(): LinuxProcesses {
  const hashes = new FileHashes()
  return {
    peerCredentials,
    peerHandle: peerPidfd,
    openHandle: (pid) => Pidfd.open(pid),
    startTicks,
    lineage,
    pidKnownAs,
    cgroupOf,
    read: readProcess,
    hashExecutable: async (pid, maxBytes) => hashes.sha256(`/proc/${pid}/exe`, maxBytes),
    cgroupOwners,
    unitInvocation,
    userName,
    groupName,
  }
}
