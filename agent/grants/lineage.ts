import type { Processes } from '../attest/ports.ts'

/** A process by what names it within one boot. */
export interface ProcessName {
  readonly pid: number
  /** Start in clock ticks since boot. */
  readonly startTicks: number
}

/** Deeper trees of processes are nobody's task. */
const maxDepth = 256

/**
 * Whether a process descends from another now: each is the child of the next, up to it. One whose parents have exited, as a daemon's, descends from nobody
 * but whoever took it in. Climbed twice alike, so that no number was given anew on the way.
 */
export function descends(process: ProcessName, ancestor: ProcessName, processes: Pick<Processes, 'lineage'>): boolean {
  const first = climb(process, ancestor, processes)
  return first !== undefined && first === climb(process, ancestor, processes)
}

/** The numbers of a process and of all above it at this moment: where to look, which {@link descends} then decides. */
export function pidsAbove({ pid }: ProcessName, processes: Pick<Processes, 'lineage'>): ReadonlySet<number> {
  const pids = new Set<number>()
  for (let at = pid; at > 0 && pids.size < maxDepth; ) {
    pids.add(at)
    at = processes.lineage(at)?.parentPid ?? 0
  }
  return pids
}

/** The processes on the way, as text; `undefined` when it leads elsewhere. */
function climb(process: ProcessName, ancestor: ProcessName, processes: Pick<Processes, 'lineage'>): string | undefined {
  const way: string[] = []
  let { pid } = process
  for (let depth = 0; depth < maxDepth && pid > 0; depth++) {
    const found = processes.lineage(pid)
    if (found === undefined || (depth === 0 && found.startTicks !== process.startTicks)) return undefined
    way.push(`${pid}:${found.startTicks}`)
    if (pid === ancestor.pid) return found.startTicks === ancestor.startTicks ? way.join(' ') : undefined
    pid = found.parentPid
  }
  return undefined
}
