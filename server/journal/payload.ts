import { shareCommon, spreadCommon, type CommonFields } from './common-fields.ts'
import type { JournalRecord, ReservedCredential } from './records.ts'

/** The JSON that the journal holds of a record: all but its kind. What the credentials of a batch have in common stands there once, which is most of them. */
export function payloadOf(record: JournalRecord): string {
  if (record.kind !== 'credentials.reserved' || record.credentials.length === 1) {
    const { kind: _kind, ...rest } = record
    return JSON.stringify(rest)
  }
  const { common, rows } = shareCommon(record.credentials)
  return JSON.stringify({ common, credentials: rows, atMs: record.atMs })
}

/** The record again. What is in the journal was written with {@link payloadOf}: its chain vouches for it. */
export function recordOf({ kind, payload }: { readonly kind: JournalRecord['kind']; readonly payload: string }): JournalRecord {
  const rest = JSON.parse(payload) as object // as above
  if (kind !== 'credentials.reserved' || !('common' in rest)) return { kind, ...rest } as JournalRecord // as above
  const { common, credentials, atMs } = rest as CommonFields<ReservedCredential> & { readonly credentials: CommonFields<ReservedCredential>['rows']; readonly atMs: number } // as above
  return { kind, credentials: spreadCommon({ common, rows: credentials }), atMs }
}
