import type { Selector } from '../../src/core/selector.ts'
import type { FactSource, FoundFacts, MissingFact } from './fact-source.ts'
import type { ProcessReading, Sha256 } from './ports.ts'

export interface Names {
  userName(uid: number): string | undefined
  groupName(gid: number): string | undefined
}

/** The facts that every process has: who it runs as, and what. */
export function unix(names: Names): FactSource {
  return { types: ['unix'], find: ({ process, sha256 }) => unixSelectors(process, sha256, names) }
}

/**
 * The selectors of SPIRE's `unix` workload attestor, by its names: uid, gid, user, group, supplementary_gid,
 * supplementary_group, path, sha256. Unlike it, a path is given only where the agent finds the running file at that path, and a fact
 * that is missing is left out (an entry that asks for it does not match) instead of failing the attestation.
 * @param sha256 `undefined` when nobody asked for it
 */
function unixSelectors(process: ProcessReading, sha256: Sha256 | undefined, names: Names): FoundFacts {
  const selectors: Selector[] = []
  const missing: MissingFact[] = []
  const add = (kind: string, value: string | number): void => {
    selectors.push({ type: 'unix', value: `${kind}:${value}` })
  }
  const addName = (kind: string, name: string | undefined, id: number): void => {
    if (name === undefined) missing.push({ kind: `unix:${kind}`, why: `${id} has no name on this host` })
    else add(kind, name)
  }
  add('uid', process.uid)
  addName('user', names.userName(process.uid), process.uid)
  add('gid', process.gid)
  addName('group', names.groupName(process.gid), process.gid)
  for (const gid of process.groups) {
    add('supplementary_gid', gid)
    addName('supplementary_group', names.groupName(gid), gid)
  }
  if (process.executable.kind === 'file') add('path', process.executable.path)
  else missing.push({ kind: 'unix:path', why: whyNoPath(process) })
  if (sha256?.kind === 'hashed') add('sha256', sha256.sha256)
  else if (sha256 !== undefined) missing.push({ kind: 'unix:sha256', why: whyNoSha256(sha256) })
  return { selectors, missing }
}

/** The kinds among selectors, such as `unix:sha256`: the type and the value's first part. */
export function kindsOf(selectors: Iterable<Selector>): Set<string> {
  const kinds = new Set<string>()
  for (const { type, value } of selectors) kinds.add(`${type}:${value.split(':', 1)[0] ?? ''}`)
  return kinds
}

function whyNoPath({ executable }: ProcessReading): string {
  switch (executable.kind) {
    case 'deleted':
      return 'the running file was deleted or replaced'
    case 'elsewhere':
      return `the agent sees another file, or none, at ${executable.path}`
    case 'unreadable':
      return 'the agent may not read which file runs'
    case 'file':
      return 'given'
    default:
      return executable satisfies never
  }
}

function whyNoSha256(sha256: Exclude<Sha256, { kind: 'hashed' }>): string {
  switch (sha256.kind) {
    case 'too_large':
      return `the running file has ${sha256.file.size} bytes, more than the agent hashes`
    case 'unreadable':
      return 'the agent may not read the running file'
    default:
      return sha256 satisfies never
  }
}
