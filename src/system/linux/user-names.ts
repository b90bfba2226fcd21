import { statSync } from 'node:fs'
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
  /** Changes with every change of the file. */
  version: string
  names: ReadonlyMap<number, string>
}

const maxBytes = 16 * 1024 * 1024
const users: NameFile = { path: '/etc/passwd', version: '', names: new Map() }
const groups: NameFile = { path: '/etc/group', version: '', names: new Map() }

/** Reads the file when it changed. Without one, or with one too large, nobody has a name. */
function namesIn(file: NameFile): ReadonlyMap<number, string> {
  const stat = statSync(file.path, { bigint: true, throwIfNoEntry: false })
  const version = stat === undefined ? 'none' : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
  if (version !== file.version) {
    const content = stat === undefined ? undefined : readBounded(file.path, maxBytes)
    file.names = content?.kind === 'read' ? parseAccountNames(content.text) : new Map()
    file.version = version
  }
  return file.names
}
