/** A unit of the system's systemd, by the cgroup that it made for it. */
export interface UnitPlace {
  /** `payments.service`, `session-3.scope`. */
  readonly unit: string
  /** The cgroup that holds the unit's: whoever may make folders there names units. */
  readonly above: string
}

const maxUnitLength = 255
const unitName = /^[a-zA-Z0-9:_.\\@-]+\.(?:service|scope|socket|mount|swap)$/

/**
 * The unit in whose cgroup (version 2) this path is: what follows the slices, as systemd reads it. A unit of a user's own manager is below `user@<uid>.service`, and that is what is given.
 * `undefined` for the root, slices, and paths that systemd did not make.
 */
export function systemdUnitOf(path: string): UnitPlace | undefined {
  const [root, ...segments] = path.split('/')
  if (root !== '') return undefined
  const at = segments.findIndex((segment) => !isSlice(segment))
  const segment = segments[at]
  if (segment === undefined) return undefined
  const unit = segment.startsWith('_') ? segment.slice(1) : segment // systemd's escape of names that the kernel could take for its own files
  return unit.length <= maxUnitLength && unitName.test(unit) ? { unit, above: `/${segments.slice(0, at).join('/')}` } : undefined
}

function isSlice(segment: string): boolean {
  return /^[a-zA-Z0-9:_.\\@-]+\.slice$/.test(segment) && segment.length <= maxUnitLength
}
