import { readFileSync } from 'node:fs'

/** Resident memory of a process in bytes, as the kernel counts it. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (line === null) throw new Error(`process ${pid} has no memory: it has ended`)
  return Number(line[1]) * 1_024
}

/** Open descriptors of a process. */
export const megabyte = 1_048_576
