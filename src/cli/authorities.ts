import type { AuthorityEnd__Output as AuthorityEnd } from '../../proto/generated/mayfly/v1/AuthorityEnd.ts'
import type { SigningAuthority__Output as SigningAuthority } from '../../proto/generated/mayfly/v1/SigningAuthority.ts'
import { timeText, whenText } from './when.ts'

/** Options of the commands that end an authority. */
export const endOptions = {
  'dry-run': { type: 'boolean', short: 'n', help: 'only say what it would hit' },
  'replace-active': { type: 'boolean', help: 'also when it is the active one: another takes its place at once, before agents know it' },
  reason: { type: 'string', value: 'TEXT', help: 'goes into the record' },
} as const

/** Enough of an id for a person; commands take it. */
export function shortId(id: string): string {
  return id.slice(0, 16)
}

export function authorityJson(authority: SigningAuthority): Record<string, unknown> {
  const { id, state, notBeforeMs, notAfterMs, preparedAtMs, activatedAtMs, liveCredentials, notReplaced, acknowledged, above } = authority
  const activated = activatedAtMs === 0 ? {} : { activatedAt: timeText(activatedAtMs) }
  return { id, state, notBefore: timeText(notBeforeMs), notAfter: timeText(notAfterMs), preparedAt: timeText(preparedAtMs), ...activated, liveCredentials, notReplaced, acknowledged, ...(above.length === 0 ? {} : { certificatesAbove: above.length }) }
}

export const authorityHeader: readonly string[] = ['authority', 'state', 'ends', 'live', 'not replaced', 'known to agents']

export function authorityRow({ id, state, notAfterMs, liveCredentials, notReplaced, acknowledged }: SigningAuthority, nowMs: number): readonly string[] {
  return [shortId(id), state, whenText(notAfterMs, nowMs), String(liveCredentials), String(notReplaced), acknowledged ? 'all' : state === 'revoked' ? '' : 'not all yet']
}

export function endJson({ authority, credentials, workloads, owners, epoch, streamSeq, committedAtMs }: AuthorityEnd, dryRun: boolean): Record<string, unknown> {
  return { ...(dryRun ? { dryRun } : {}), id: authority?.id ?? '', state: authority?.state ?? '', credentials, workloads, owners, ...(dryRun ? {} : { epoch, streamSeq, committedAtMs }) }
}

/** `3 credentials of 2 workloads`. */
export function hitText({ credentials, workloads, owners }: AuthorityEnd): string {
  const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`
  return `${count(credentials, 'credential')} of ${count(workloads, 'workload')}${owners.length === 0 ? '' : `, owned by ${owners.slice(0, 5).join(', ')}${owners.length > 5 ? ', …' : ''}`}`
}
