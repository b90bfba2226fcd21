import { parseDecimal } from './stat.ts'

/** What is used of `/proc/<pid>/status`. */
export interface ProcStatus {
  /** Real, effective, saved, file system. */
  readonly uids: readonly [number, number, number, number]
  /** Real, effective, saved, file system. */
  readonly gids: readonly [number, number, number, number]
  /** Supplementary, as listed. */
  readonly groups: readonly number[]
  /** CapPrm, one bit for each capability. */
  readonly permittedCapabilities: bigint
}

/**
 * Parses `/proc/<pid>/status` (proc_pid_status(5)). The kernel escapes line ends in the name, so a line is a field; a field
 * that comes twice is refused all the same. `undefined` for any other text.
 */
export function parseProcStatus(text: string): ProcStatus | undefined {
  const lines = `\n${text}`
  const uids = parseFour(fieldOf(lines, 'Uid'))
  const gids = parseFour(fieldOf(lines, 'Gid'))
  const groups = parseIds(fieldOf(lines, 'Groups'))
  const capabilities = fieldOf(lines, 'CapPrm') ?? ''
  if (uids === undefined || gids === undefined || groups === undefined || !/^[0-9a-f]{1,16}$/.test(capabilities)) return undefined
  return { uids, gids, groups, permittedCapabilities: BigInt(`0x${capabilities}`) }
}

/** Of the one line with this name, without looking at the other fifty; `undefined` when there is none, or more than one. */
function fieldOf(lines: string, name: string): string | undefined {
  const mark = `\n${name}:`
  const at = lines.indexOf(mark)
  if (at === -1 || lines.includes(mark, at + 1)) return undefined
  const start = at + mark.length
  const end = lines.indexOf('\n', start)
  return lines.slice(start, end === -1 ? undefined : end).trim()
}

function parseFour(text: string | undefined): [number, number, number, number] | undefined {
  const [real, effective, saved, fileSystem, ...more] = parseIds(text) ?? []
  if (real === undefined || effective === undefined || saved === undefined || fileSystem === undefined || more.length > 0) return undefined
  return [real, effective, saved, fileSystem]
}

function parseIds(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined
  const ids: number[] = []
  for (const word of text.split(/[ \t]+/)) {
    if (word === '') continue
    const id = parseDecimal(word)
    if (id === undefined || id > 0xffff_ffff) return undefined
    ids.push(id)
  }
  return ids
}
