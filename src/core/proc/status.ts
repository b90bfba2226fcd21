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
  const uids = parseFour(fieldOf(text, 'Uid:'))
  const gids = parseFour(fieldOf(text, 'Gid:'))
  const groups = parseIds(fieldOf(text, 'Groups:'))
  const capabilities = fieldOf(text, 'CapPrm:') ?? ''
  if (uids === undefined || gids === undefined || groups === undefined || !/^[0-9a-f]{1,16}$/.test(capabilities)) return undefined
  return { uids, gids, groups, permittedCapabilities: BigInt(`0x${capabilities}`) }
}

/**
 * The pids of a process in the pid namespaces that it is in, from that of the reader inwards (`NSpid`, Linux 4.1); empty when they are not told.
 * A process that it starts is known to it by the pid at the same depth.
 */
export function parseNamespacePids(text: string): readonly number[] {
  return parseIds(fieldOf(text, 'NSpid:')) ?? []
}

/** Of the one line with this name, without looking at the other fifty; `undefined` when there is none, or more than one. */
function fieldOf(text: string, name: string): string | undefined {
  const mark = `\n${name}`
  const isFirst = text.startsWith(name)
  const at = isFirst ? -1 : text.indexOf(mark)
  if ((at === -1 && !isFirst) || text.includes(mark, at + 1)) return undefined
  const start = at + mark.length
  const end = text.indexOf('\n', start)
  return text.slice(start, end === -1 ? undefined : end).trim()
}

function parseFour(text: string | undefined): [number, number, number, number] | undefined {
  const [real, effective, saved, fileSystem, ...more] = parseIds(text) ?? []
  if (real === undefined || effective === undefined || saved === undefined || fileSystem === undefined || more.length > 0) return undefined
  return [real, effective, saved, fileSystem]
}

function parseIds(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined
  const ids: number[] = []
  let id: number | undefined
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : space
    if (code >= zero && code <= zero + 9) {
      id = (id ?? 0) * 10 + (code - zero)
      if (id > 0xffff_ffff) return undefined
    } else if (code === space || code === tab) {
      if (id !== undefined) ids.push(id)
      id = undefined
    } else return undefined
  }
  return ids
}

const space = 0x20
const tab = 0x09
const zero = 0x30
