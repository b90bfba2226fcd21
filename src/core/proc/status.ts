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
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    if (!wanted.has(name)) continue
    if (fields.has(name)) return undefined
    fields.set(name, line.slice(colon + 1).trim())
  }
  const uids = parseFour(fields.get('Uid'))
  const gids = parseFour(fields.get('Gid'))
  const groups = parseIds(fields.get('Groups'))
  const capabilities = fields.get('CapPrm') ?? ''
  if (uids === undefined || gids === undefined || groups === undefined || !/^[0-9a-f]{1,16}$/.test(capabilities)) return undefined
  return { uids, gids, groups, permittedCapabilities: BigInt(`0x${capabilities}`) }
}

const wanted: ReadonlySet<string> = new Set(['Uid', 'Gid', 'Groups', 'CapPrm'])

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
