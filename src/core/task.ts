import { pathOf, segmentsOf, type SpiffeId } from './spiffe-id.ts'

/** What the SPIFFE ID of a grant says, `<workload>/task/<grant>` and for each child `/sub/<grant>` more (design 7). */
export interface Task {
  /** Whose task it is: the ID before `/task`. */
  readonly workload: SpiffeId
  /** The grant at the root of the tree. */
  readonly grantId: string
  /** Its descendants down to the one that the ID names; empty for the root's own ID. */
  readonly subs: readonly string[]
}

/** The parsed segments of a grant's SPIFFE ID; `undefined` for any other ID, also one that merely has a segment `task` or `sub`. */
export function taskOf(id: SpiffeId): Task | undefined {
  if (!id.includes('/task/')) return undefined
  const segments = segmentsOf(id)
  const at = segments.findIndex(isGrantSegment)
  const grantId = segments[at + 1]
  if (at < 1 || segments[at] !== 'task' || grantId === undefined || isGrantSegment(grantId)) return undefined
  const subs: string[] = []
  for (let next = at + 2; next < segments.length; next += 2) {
    const sub = segments[next + 1]
    if (segments[next] !== 'sub' || sub === undefined || isGrantSegment(sub)) return undefined
    subs.push(sub)
  }
  const below = segments.slice(at).reduce((length, segment) => length + 1 + segment.length, 0)
  return { workload: id.slice(0, id.length - below) as SpiffeId, grantId, subs } // a valid ID up to the end of a segment is one
}

/** Every ID at or above this one that may name a grant, the highest first: where its path has `/task/<id>` or `/sub/<id>`. Closing one of them ends this ID. */
export function grantPrefixesOf(id: SpiffeId): readonly SpiffeId[] {
  if (!id.includes('/task/') && !id.includes('/sub/')) return []
  const segments = segmentsOf(id)
  const prefixes: SpiffeId[] = []
  let end = id.length - pathOf(id).length
  for (const [at, segment] of segments.entries()) {
    end += 1 + segment.length
    if (at >= 2 && isGrantSegment(segments[at - 1] ?? '')) prefixes.push(id.slice(0, end) as SpiffeId) // a valid ID up to the end of a segment is one
  }
  return prefixes
}

function isGrantSegment(segment: string): boolean {
  return segment === 'task' || segment === 'sub'
}
