import { MayflyError } from '../errors.ts'
import { hasGrantSegment, isReserved, parseSpiffeId, segmentsOf, type SpiffeId } from '../spiffe-id.ts'
import { taskOf } from '../task.ts'

/** The root of a tree is at depth 0; nothing is deeper than this. */
export const maxDepth = 6

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** The ID of a grant: 128 random bits as 26 characters of Crockford's base 32, lower case, most significant first. @param random 16 bytes */
export function grantIdOf(random: Uint8Array): string {
  if (random.length !== 16) throw new MayflyError('INVALID_ARGUMENT', 'the ID of a grant is made of 16 bytes')
  let value = 0n
  for (const byte of random) value = (value << 8n) | BigInt(byte)
  let text = ''
  for (let shift = 125n; shift >= 0n; shift -= 5n) text += alphabet[Number((value >> shift) & 31n)]
  return text
}

export function isGrantId(text: string): boolean {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text)
}

/** The SPIFFE ID of a root grant. @throws {MayflyError} INVALID_ARGUMENT when the workload's ID cannot have grants, SPIFFE_ID_INVALID */
export function taskIdOf(workload: SpiffeId, grantId: string): SpiffeId {
  if (segmentsOf(workload).length === 0 || isReserved(workload) || hasGrantSegment(workload)) throw new MayflyError('INVALID_ARGUMENT', `${workload} cannot have grants`, { hint: 'use the ID of a workload' })
  return parseSpiffeId(`${workload}/task/${grantId}`)
}

/** The SPIFFE ID of a child. @throws {MayflyError} INVALID_ARGUMENT when the parent's is that of no grant, or too deep */
export function subIdOf(parent: SpiffeId, grantId: string): SpiffeId {
  const task = taskOf(parent)
  if (task === undefined) throw new MayflyError('INVALID_ARGUMENT', `${parent} is not the ID of a grant`)
  if (task.subs.length >= maxDepth) throw new MayflyError('BUDGET_SPENT', `a tree of grants is at most ${maxDepth} deep`)
  return parseSpiffeId(`${parent}/sub/${grantId}`)
}
