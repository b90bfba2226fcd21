import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

/** Where in a process some bytes were found. */
export interface Trace {
  readonly address: bigint
  /** As the kernel names it: `[heap]`, a file, or empty for memory without a name. */
  readonly region: string
  /** Printable characters around it, dots for the rest. */
  readonly around: string
}

const chunkBytes = 1 << 22
const aroundBytes = 48

/** All places in the readable memory of a process where one of these byte strings stands. Needs the right to trace it. */
export function tracesIn(pid: number, needles: readonly Buffer[]): readonly Trace[] {
  const found: Trace[] = []
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  const overlap = Math.max(...needles.map(({ length }) => length)) - 1
  const chunk = Buffer.alloc(chunkBytes + overlap)
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const parts = /^([0-9a-f]+)-([0-9a-f]+) (r\S+) \S+ \S+ \S+ *(.*)$/.exec(line)
      const [, from, to, , region = ''] = parts ?? []
      if (from === undefined || to === undefined || region === '[vvar]' || region === '[vvar_vclock]') continue
      const end = BigInt(`0x${to}`)
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(chunkBytes)) {
        const length = readAt(memory, chunk, at, Number(end - at < BigInt(chunk.length) ? end - at : BigInt(chunk.length)))
        for (const needle of needles) {
          for (let hit = chunk.subarray(0, length).indexOf(needle); hit >= 0 && hit < chunkBytes; hit = chunk.subarray(0, length).indexOf(needle, hit + 1)) {
            found.push({ address: at + BigInt(hit), region, around: chunk.subarray(Math.max(0, hit - aroundBytes), hit + needle.length + aroundBytes).toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.') })
          }
        }
      }
    }
  } finally {
    chunk.fill(0)
    closeSync(memory)
  }
  return found
}

/** How much could be read: a region may go while it is looked at. */
function readAt(memory: number, chunk: Buffer, at: bigint, length: number): number {
  try {
    return readSync(memory, chunk, 0, length, at)
  } catch {
    return 0
  }
}
