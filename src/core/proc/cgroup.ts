import { parseDecimal } from './stat.ts'

/** One line of `/proc/<pid>/cgroup`. */
export interface CgroupMembership {
  /** 0 for cgroup v2. */
  readonly hierarchy: number
  /** Empty for cgroup v2; `name=…` for a named v1 hierarchy. */
  readonly controllers: readonly string[]
  readonly path: string
}

/** Parses `/proc/<pid>/cgroup` (cgroups(7)), v1 and v2 lines: `hierarchy:controllers:path`, where a path may have colons. `undefined` for any other text. */
export function parseProcCgroup(text: string): CgroupMembership[] | undefined {
  const memberships: CgroupMembership[] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, number = '', controllers = '', path = ''] = /^(\d+):([^:]*):(\/.*)$/s.exec(line) ?? []
    const hierarchy = parseDecimal(number)
    if (hierarchy === undefined) return undefined
    memberships.push({ hierarchy, controllers: controllers === '' ? [] : controllers.split(','), path })
  }
  return memberships
}

/** The path in the v2 hierarchy; `undefined` on a host that has none. */
export function unifiedPathOf(memberships: readonly CgroupMembership[]): string | undefined {
  return memberships.find(({ hierarchy, controllers }) => hierarchy === 0 && controllers.length === 0)?.path
}

/** The paths in the v1 hierarchies of controllers, each once. Named hierarchies are left out: systemd lets users make cgroups in its own. */
export function controllerPathsOf(memberships: readonly CgroupMembership[]): readonly string[] {
  const found = memberships.filter(({ hierarchy, controllers }) => hierarchy > 0 && controllers.length > 0 && !controllers.some((name) => name.startsWith('name=')))
  return [...new Set(found.map(({ path }) => path))]
}

/**
 * Where the whole cgroup v2 hierarchy (as this process sees it) is mounted, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)); not where another mount
 * was put over it since. `undefined` when it is not mounted, or only a part of it is.
 */
export function unifiedMountOf(mountinfo: string): string | undefined {
  let found: string | undefined
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ', 2)
    const [, , , root, mountPoint] = before.split(' ')
    if (mountPoint?.startsWith('/') !== true) continue
    if (found === mountPoint || (mountPoint !== '/' && found?.startsWith(`${mountPoint}/`) === true)) found = undefined
    if (after.startsWith('cgroup2 ') && root === '/') found ??= mountPoint
  }
  return found === undefined ? undefined : unescapeOctal(found)
}

function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
