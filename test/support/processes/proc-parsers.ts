import { parseAccountNames } from '../../../src/core/proc/account-names.ts'
import { parseProcCgroup, unifiedMountOf } from '../../../src/core/proc/cgroup.ts'
import { parseProcStat } from '../../../src/core/proc/stat.ts'
import { parseProcStatus } from '../../../src/core/proc/status.ts'

/** What no text may bring any parser of `src/core/proc` to: a list of what is wrong, empty for all that is well. Throws when one throws. */
export function wrongAnswersTo(text: string): string[] {
  const wrong: string[] = []
  const { pid, parentPid, startTicks } = parseProcStat(text) ?? { pid: 0, parentPid: 0, startTicks: 0 }
  const { uids, gids, groups } = parseProcStatus(text) ?? { uids: [], gids: [], groups: [] }
  const memberships = parseProcCgroup(text) ?? []
  const names = parseAccountNames(text)
  for (const value of [pid, parentPid, startTicks, ...memberships.map(({ hierarchy }) => hierarchy)]) {
    if (!Number.isSafeInteger(value) || value < 0) wrong.push(`not a whole number: ${value}`)
  }
  for (const id of [...uids, ...gids, ...groups, ...names.keys()]) {
    if (!Number.isInteger(id) || id < 0 || id > 0xffff_ffff) wrong.push(`not an id: ${id}`)
  }
  for (const { path } of memberships) if (!path.startsWith('/') || path.includes('\n')) wrong.push(`not a path: ${path}`)
  for (const name of names.values()) if (/[\s:\p{C}]/u.test(name) || name === '') wrong.push(`not a name: ${name}`)
  if (unifiedMountOf(text)?.startsWith('/') === false) wrong.push('not a mount point')
  return wrong
}
