import type { EntryResult__Output as EntryResult } from '../../proto/generated/mayfly/v1/EntryResult.ts'
import { isErrorCode, MayflyError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Context } from './context.ts'
import type { Output } from './output.ts'

/** Numbers of gRPC's status codes, as results of a batch carry them, and the code of ours that is nearest. */
const codesByNumber: Readonly<Record<number, ErrorCode>> = { 3: 'INVALID_ARGUMENT', 5: 'NOT_FOUND', 6: 'ALREADY_EXISTS', 7: 'PERMISSION_DENIED', 8: 'LIMIT_EXCEEDED', 9: 'EXPECTATION_FAILED', 13: 'INTERNAL', 14: 'UNAVAILABLE' }

/** What can be done about it, where the server could say it only in a trailer, which an item has not. */
const hints: Partial<Record<ErrorCode, string>> = { BUNDLE_UNKNOWN: 'mayfly bundle set <trust domain> <file> brings it here first' }

/** What one item of a batch came to. */
export interface ItemStatus {
  readonly code: number
  readonly message: string
}

/** @throws {MayflyError} of the nearest code, unless the status is OK */
export function requireOk(status: ItemStatus | null | undefined, hint?: string): void {
  if (status === null || status === undefined || status.code === 0) return
  const { code, text } = readStatus(status)
  const said = hint ?? hints[code]
  throw new MayflyError(code, text, said === undefined ? {} : { hint: said })
}

/** The server writes its own code before the message; SPIRE's number is the fallback. */
export function readStatus(status: ItemStatus): { readonly code: ErrorCode; readonly text: string } {
  const [, own = '', said = ''] = /^([A-Z_]+): (.*)$/s.exec(status.message) ?? []
  if (isErrorCode(own)) return { code: own, text: said }
  return { code: codesByNumber[status.code] ?? 'INTERNAL', text: status.message === '' ? 'refused' : status.message }
}

export const batchSize = 100

const longestWaitMs = 600_000

/** Sends items a hundred at a time, with progress where that is seen; results are in the order of the items. What was begun goes on at the pace that the server's limits allow. */
export async function inBatches<Item>({ output, clock, signal }: Pick<Context, 'output' | 'clock' | 'signal'>, verb: string, items: readonly Item[], send: (batch: readonly Item[]) => Promise<readonly EntryResult[]>): Promise<readonly EntryResult[]> {
  const results: EntryResult[] = []
  for (let at = 0; at < items.length; ) {
    try {
      results.push(...(await send(items.slice(at, at + batchSize))))
      at += batchSize
    } catch (error) {
      const waitMs = error instanceof MayflyError && error.code === 'LIMIT_EXCEEDED' ? error.details['retryAfterMs'] : undefined
      if (at === 0 || typeof waitMs !== 'number' || waitMs > longestWaitMs) throw error
      await clock.sleep(waitMs, signal)
    }
    if (items.length > batchSize) output.progress(`${verb} ${results.length} of ${items.length}`)
  }
  if (items.length > batchSize) output.progress('')
  return results
}

/** Says what became of many; resolves with the exit code. */
export function reportBatch(output: Output, json: boolean, verb: string, results: readonly EntryResult[]): number {
  const failed = results.flatMap(({ status }, at) => {
    if (status === null || status.code === 0) return []
    const { code, text } = readStatus(status)
    return [{ entry: at + 1, code, message: text }]
  })
  const ids = results.filter((result) => (result.status?.code ?? 0) === 0).map((result) => result.entry?.entry?.id ?? '')
  if (json) {
    output.json({ [verb]: ids.length, ids, failed })
  } else {
    output.line(`${verb} ${ids.length} of ${results.length}`)
    for (const item of failed.slice(0, 20)) output.note(`mayfly: entry ${item.entry}: ${item.message}`)
    if (failed.length > 20) output.note(`mayfly: and ${failed.length - 20} more`)
  }
  return failed.length === 0 ? 0 : 1
}
