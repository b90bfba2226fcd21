import { parseSpiffeId, pathOf, segmentsOf, trustDomainOf, type SpiffeId } from './spiffe-id.ts'

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
  return { workload: prefixOf(id, segments, at), grantId, subs }
}

/** Every ID at or above this one that may name a grant, the highest first: where its path has `/task/<id>` or `/sub/<id>`. Closing one of them ends this ID. */
export function grantPrefixesOf(id: SpiffeId): readonly SpiffeId[] {
  const path = pathOf(id)
  if (!path.includes('/task/') && !path.includes('/sub/')) return []
  const segments = segmentsOf(id)
  return segments.flatMap((segment, at) => (isGrantSegment(segment) && at >= 1 && at + 1 < segments.length ? [prefixOf(id, segments, at + 2)] : []))
}

function isGrantSegment(segment: string): boolean {
  return segment === 'task' || segment === 'sub'
}

function prefixOf(id: SpiffeId, segments: readonly string[], count: number): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomainOf(id)}/${segments.slice(0, count).join('/')}`)
}
