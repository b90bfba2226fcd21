import { readdirSync } from 'node:fs'
import { parseDecimal } from '../../core/proc/stat.ts'
import { parseNamespacePids } from '../../core/proc/status.ts'
import { readProcFile } from './proc-files.ts'
import { readBounded } from './read-bounded.ts'

const maxBytes = 1024 * 1024

/** Pids of the children of a process, whichever of its threads made them; none when it has exited, since they are another's then. */
export function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) => {
    const read = readBounded(`/proc/${pid}/task/${thread}/children`, maxBytes)
    return read.kind === 'read' ? numbersIn(read.text) : []
  })
}

/**
 * The pid, as seen from here, of the child that a process knows by `known`: in a container it has another. `undefined` when there is no such child. Where both are in
 * one pid namespace it is `known` itself, child or not.
 */
export function pidKnownAs(known: number, parentPid: number): number | undefined {
  const depth = namespacePidsOf(parentPid).length
  if (depth <= 1) return known
  return childrenOf(parentPid).find((pid) => namespacePidsOf(pid)[depth - 1] === known)
}

export function numbersIn(text: string): number[] {
  return text.split(/\s+/).flatMap((word) => parseDecimal(word) ?? [])
}

function namespacePidsOf(pid: number): readonly number[] {
  return parseNamespacePids(readProcFile(pid, 'status', false) ?? '')
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    return []
  }
}
