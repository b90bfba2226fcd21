import type { Attestation } from './attestation.ts'
import type { BindingTier } from './binding.ts'
import type { FoundFacts } from './fact-source.ts'
import type { Executable, FileIdentity, ProcessReading, Sha256 } from './ports.ts'

/** Whether all that an attestation says was found again, to the last word: what nearly every look at a process finds, so nothing is made anew for it. */
export function isAsBefore(before: Attestation, process: ProcessReading, sha256: Sha256 | undefined, tier: BindingTier, { selectors, missing }: FoundFacts): boolean {
  return (
    before.uid === process.uid &&
    before.gid === process.gid &&
    isSameList(before.groups, process.groups) &&
    before.cgroup === process.cgroup &&
    before.tier === tier &&
    before.sha256 === (sha256?.kind === 'hashed' ? sha256.sha256 : undefined) &&
    isSameExecutable(before.executable, process.executable) &&
    isSameList(before.selectors, selectors, (left, right) => left.type === right.type && left.value === right.value) &&
    isSameList(before.missing, missing, (left, right) => left.kind === right.kind && left.why === right.why)
  )
}

/** Whether two readings are of one state of the process: nothing was changed between them. */
export function isSameProcessState(left: ProcessReading, right: ProcessReading): boolean {
  return (
    left.uid === right.uid &&
    left.gid === right.gid &&
    left.capabilities === right.capabilities &&
    left.cgroup === right.cgroup &&
    isSameList(left.controllerCgroups, right.controllerCgroups) &&
    isSameList(left.uids, right.uids) &&
    isSameList(left.groups, right.groups) &&
    left.executable.kind === right.executable.kind &&
    pathOf(left.executable) === pathOf(right.executable) &&
    isSameInode(left.executable, right.executable)
  )
}

/** Whether what was hashed is the file that is run; also when nothing was hashed. */
export function isHashOf(sha256: Sha256 | undefined, executable: Executable): boolean {
  if (sha256 === undefined || sha256.kind === 'unreadable') return true
  const file = fileOf(executable)
  return file !== undefined && file.dev === sha256.file.dev && file.ino === sha256.file.ino && file.size === sha256.file.size && file.mtimeNs === sha256.file.mtimeNs
}

/** The same file. A new hard link or a chmod leaves it so. */
export function isSameInode(left: Executable, right: Executable): boolean {
  const [one, other] = [fileOf(left), fileOf(right)]
  return one?.dev === other?.dev && one?.ino === other?.ino
}

/** The same file, and nobody can have touched its bytes. */
export function isUntouched(before: FileIdentity | undefined, now: FileIdentity): boolean {
  return before?.dev === now.dev && before.ino === now.ino && before.size === now.size && before.mtimeNs === now.mtimeNs && before.ctimeNs === now.ctimeNs
}

/** `undefined` when it could not be read which file is run. */
export function fileOf(executable: Executable): FileIdentity | undefined {
  return executable.kind === 'unreadable' ? undefined : executable.file
}

function isSameExecutable(left: Executable, right: Executable): boolean {
  if (left.kind !== right.kind || pathOf(left) !== pathOf(right)) return false
  const file = fileOf(right)
  return file === undefined || isUntouched(fileOf(left), file)
}

function pathOf(executable: Executable): string | undefined {
  return executable.kind === 'file' || executable.kind === 'elsewhere' ? executable.path : undefined
}

function isSameList<T>(left: readonly T[], right: readonly T[], isSame: (left: T, right: T) => boolean = Object.is): boolean {
  return left.length === right.length && left.every((one, at) => isSame(one, right[at] as T)) // the lists are of one length
}
