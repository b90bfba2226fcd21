import { statSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { parseAccountNames } from '../../core/proc/account-names.ts'
import { readBounded } from './read-bounded.ts'

/** The name of a uid in /etc/passwd. Accounts of LDAP and other directories are not seen: as for any static program. */
export function userName(uid: number): string | undefined {
  return namesIn(users).get(uid)
}

/** The name of a gid in /etc/group. */
export function groupName(gid: number): string | undefined {
  return namesIn(groups).get(gid)
}

interface NameFile {
  readonly path: string
  /** Of what was read last; `undefined`: there was no file. */
  stat: BigIntStats | undefined
  names: ReadonlyMap<number, string>
}

const maxBytes = 16 * 1024 * 1024
const users: NameFile = { path: '/etc/passwd', stat: undefined, names: new Map() }
const groups: NameFile = { path: '/etc/group', stat: undefined, names: new Map() }

/** Reads the file when it changed. Without one, or with one too large, nobody has a name. */
function namesIn(file: NameFile): ReadonlyMap<number, string> {
  const stat = statSync(file.path, { bigint: true, throwIfNoEntry: false })
  if (!isSame(stat, file.stat)) {
    const content = stat === undefined ? undefined : readBounded(file.path, maxBytes)
    file.names = content?.kind === 'read' ? parseAccountNames(content.text) : new Map()
    file.stat = stat
  }
  return file.names
}

/** Whether nobody can have written to it. */
function isSame(now: BigIntStats | undefined, before: BigIntStats | undefined): boolean {
  return now?.dev === before?.dev && now?.ino === before?.ino && now?.size === before?.size && now?.mtimeNs === before?.mtimeNs && now?.ctimeNs === before?.ctimeNs
}
