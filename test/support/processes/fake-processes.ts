import type { ExitWatch, FileIdentity, PeerCredentials, ProcessHandle, Processes, ProcessReading, Reading, Sha256 } from '../../../agent/attest/ports.ts'
import type { FileOwner, Lineage } from '../../../src/core/proc/process.ts'

/** A process of the imagined kernel. Its fields may be changed at any moment. */
export interface FakeProcess {
  reading: ProcessReading
  alive: boolean
  parentPid: number
  sha256: Sha256
}

/** The `Processes` port over a table in memory: pids can be given again, facts changed between any two readings. */
export class FakeProcesses implements Processes {
  readonly table: Map<number, FakeProcess> = new Map()
  peer: PeerCredentials = { pid: 100, uid: 1000, gid: 1000 }
  /** What SO_PEERPIDFD names; `undefined` as on an old kernel. */
  connected: FakeProcess | undefined
  pidfdOpen = true
  hidden = false
  owners: readonly FileOwner[] | undefined
  /** By unit. */
  readonly invocations: Map<string, string> = new Map()
  /** Runs before each reading of /proc, with its number from 1. */
  beforeRead: (count: number) => void = () => undefined
  openHandles = 0
  reads = 0
  hashes = 0

  peerCredentials(): PeerCredentials {
    return this.peer
  }

  peerHandle(): ProcessHandle | undefined {
    return this.connected === undefined ? undefined : this.handleOf(this.connected)
  }

  openHandle(pid: number): ProcessHandle | undefined {
    const process = this.table.get(pid)
    return this.pidfdOpen && process !== undefined ? this.handleOf(process) : undefined
  }

  startTicks(pid: number): number | undefined {
    const process = this.table.get(pid)
    return process?.alive === true ? process.reading.startTicks : undefined
  }

  lineage(pid: number): Lineage | undefined {
    const startTicks = this.startTicks(pid)
    return startTicks === undefined ? undefined : { startTicks, parentPid: this.table.get(pid)?.parentPid ?? 1 }
  }

  pidKnownAs(known: number): number | undefined {
    return known
  }

  cgroupOf(pid: number): string | undefined {
    return this.table.get(pid)?.reading.cgroup
  }

  read(pid: number): Reading {
    this.beforeRead(++this.reads)
    const process = this.table.get(pid)
    return process === undefined || this.hidden ? { kind: 'gone' } : { kind: 'read', process: process.reading }
  }

  async hashExecutable(pid: number): Promise<Sha256> {
    this.hashes++
    return this.table.get(pid)?.sha256 ?? { kind: 'unreadable' }
  }

  cgroupOwners(): readonly FileOwner[] | undefined {
    return this.owners
  }

  unitInvocation(unit: string): string | undefined {
    return this.invocations.get(unit)
  }

  userName(uid: number): string | undefined {
    return uid === 1000 ? 'alice' : undefined
  }

  groupName(gid: number): string | undefined {
    return gid === 1000 ? 'users' : undefined
  }

  handleOf(process: FakeProcess): ProcessHandle {
    let open = true
    this.openHandles++
    return {
      fd: 3,
      alive: () => process.alive,
      duplicate: () => this.handleOf(process),
      [Symbol.dispose]: () => {
        if (open) this.openHandles--
        open = false
      },
    }
  }

  /** A process at `pid`, in place of whoever had it. */
  spawn(pid: number, startTicks: number, facts: Partial<ProcessReading> = {}): FakeProcess {
    const process: FakeProcess = { reading: { ...someReading, pid, startTicks, ...facts }, alive: true, parentPid: 1, sha256: { kind: 'hashed', sha256: 'aa'.repeat(32), file: someFile } }
    this.table.set(pid, process)
    return process
  }

  kill(pid: number): void {
    const process = this.table.get(pid)
    if (process !== undefined) process.alive = false
    this.table.delete(pid)
  }
}

/** The `ExitWatch` port, fired by hand. */
export class FakeExitWatch implements ExitWatch {
  readonly watched: Map<ProcessHandle, () => void> = new Map()

  watch(handle: ProcessHandle, onExit: () => void): Disposable {
    this.watched.set(handle, onExit)
    return { [Symbol.dispose]: () => void this.watched.delete(handle) }
  }

  /** Reports all watched processes that have exited. */
  fire(): void {
    for (const [handle, onExit] of this.watched) {
      if (!handle.alive()) {
        this.watched.delete(handle)
        onExit()
      }
    }
  }
}

export const someFile: FileIdentity = { dev: 1n, ino: 2n, size: 3n, mtimeNs: 4n, ctimeNs: 5n }

const someReading: ProcessReading = {
  pid: 100,
  startTicks: 5_000,
  uid: 1000,
  gid: 1000,
  uids: [1000, 1000, 1000, 1000],
  groups: [4, 1000],
  capabilities: 0n,
  executable: { kind: 'file', path: '/usr/bin/payments', file: someFile },
  cgroup: '/system.slice/payments.service',
  controllerCgroups: [],
}
