import { closeSync, openSync, readSync } from 'node:fs'
import { failureOf } from './read-bounded.ts'

export type ProcFile = 'stat' | 'status' | 'cgroup'

/** Processes whose files stay open, the ones that were read last. */
const mostProcesses = 64
/** 65,536 supplementary groups, the most that there can be, fit. */
const maxBytes = 1024 * 1024
const chunk = Buffer.alloc(64 * 1024)
/** By pid, the one that was read last at the end. */
const kept = new Map<number, Map<ProcFile, number>>()

/**
 * A small file of whatever process has this pid now, as text; `undefined` when there is none, or /proc hides it, or the text is longer than the kernel would make it. A descriptor belongs to the process and
 * not to its number: once that has exited it reads nothing, ever, and the number is looked up again.
 * @param keep leaves the file open, for a process that will be looked at again: reading it anew from its start costs a third of opening it
 */
export function readProcFile(pid: number, name: ProcFile, keep: boolean): string | undefined {
  const files = kept.get(pid)
  const fd = files?.get(name)
  if (files !== undefined && fd !== undefined) {
    const text = textOf(fd)
    if (text !== undefined) {
      kept.delete(pid)
      kept.set(pid, files)
      return text
    }
    forget(pid)
  }
  return keep ? readAndKeep(pid, name) : readOnce(pid, name)
}

function readOnce(pid: number, name: ProcFile): string | undefined {
  const fd = open(`/proc/${pid}/${name}`)
  if (fd === undefined) return undefined
  try {
    return textOf(fd)
  } finally {
    closeSync(fd)
  }
}

function readAndKeep(pid: number, name: ProcFile): string | undefined {
  const fd = open(`/proc/${pid}/${name}`)
  if (fd === undefined) return undefined
  const files = kept.get(pid) ?? new Map<ProcFile, number>()
  files.set(name, fd)
  kept.set(pid, files)
  const [oldest] = kept.keys()
  if (kept.size > mostProcesses && oldest !== undefined) forget(oldest)
  const text = textOf(fd)
  if (text === undefined) forget(pid)
  return text
}

/** When no descriptor is left, those that are kept here are given back first. @throws what is neither an absent process nor a hidden one */
function open(path: string): number | undefined {
  for (;;) {
    try {
      return openSync(path, 'r')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException // what node:fs throws has one
      if ((code === 'EMFILE' || code === 'ENFILE') && kept.size > 0) {
        for (const pid of kept.keys()) forget(pid)
        continue
      }
      failureOf(error)
      return undefined
    }
  }
}

function forget(pid: number): void {
  for (const fd of kept.get(pid)?.values() ?? []) closeSync(fd)
  kept.delete(pid)
}

/** From its start. The kernel makes such a text whole and hands it out as far as the buffer goes: one that ends before is all of it. */
function textOf(fd: number): string | undefined {
  try {
    const length = readSync(fd, chunk, 0, chunk.length, 0)
    if (length === 0) return undefined
    if (length < chunk.length) return chunk.toString('utf8', 0, length)
    return longTextOf(fd, Buffer.from(chunk))
  } catch (error) {
    failureOf(error)
    return undefined
  }
}

function longTextOf(fd: number, first: Buffer): string | undefined {
  const pieces = [first]
  let total = first.length
  for (;;) {
    const length = readSync(fd, chunk, 0, chunk.length, total)
    if (length === 0) return Buffer.concat(pieces).toString('utf8')
    total += length
    if (total > maxBytes) return undefined
    pieces.push(Buffer.from(chunk.subarray(0, length)))
  }
}
