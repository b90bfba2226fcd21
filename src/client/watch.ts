import { MayflyError } from '../core/errors.ts'
import type { ClientDeps } from './deps.ts'

/** What a watcher learns. */
export type Update<T> =
  /** The full state; nothing of an earlier one counts any more. */
  | { readonly kind: 'state'; readonly state: T }
  /** The workload has no identity (any more): what it had must not be used (WX-08). It is asked for again. */
  | { readonly kind: 'withdrawn'; readonly reason: MayflyError }
  /** The Workload API cannot be reached; the last state stands until it expires. It is tried again. */
  | { readonly kind: 'disconnected'; readonly reason: MayflyError }

const firstRetryMs = 100
const longestRetryMs = 5_000

/**
 * Follows a stream of full states. A stream that ends after it brought something is opened again at once (WAPI-03), others after a
 * growing, jittered pause (EP-12, EP-13). InvalidArgument and Unimplemented are thrown: asking again cannot help (EP-11, EP-14).
 * A response that is not valid is reported and discarded, and the state before it stands (WAPI-09).
 */
export async function* watchStates<Wire, T>(
  open: (signal: AbortSignal) => AsyncIterable<Wire>,
  read: (response: Wire) => T,
  deps: Pick<ClientDeps, 'clock' | 'random' | 'log'>,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<Update<T>, void, undefined> {
  let retryMs = firstRetryMs
  while (!signal.aborted) {
    let received = false
    try {
      for await (const response of open(signal)) {
        const state = readOrReport(response, read, deps)
        if (state === undefined) continue
        received = true
        retryMs = firstRetryMs
        yield { kind: 'state', state: state.value }
      }
    } catch (failure) {
      if (signal.aborted) return
      const reason = failure instanceof MayflyError ? failure : new MayflyError('INTERNAL', 'the Workload API cannot be read', { cause: failure })
      if (reason.status === 'INVALID_ARGUMENT' || reason.status === 'UNIMPLEMENTED') throw reason
      const denied = reason.status === 'PERMISSION_DENIED'
      yield { kind: denied ? 'withdrawn' : 'disconnected', reason }
      if (denied) received = false
    }
    if (received) continue
    await pause(retryMs, deps, signal)
    retryMs = Math.min(retryMs * 2, longestRetryMs)
  }
}

function readOrReport<Wire, T>(response: Wire, read: (response: Wire) => T, deps: Pick<ClientDeps, 'log'>): { readonly value: T } | undefined {
  try {
    return { value: read(response) }
  } catch (failure) {
    if (!(failure instanceof MayflyError)) throw failure
    deps.log.warn({ event: 'workload_api.discarded', code: failure.code, why: failure.message }, 'a response of the Workload API was discarded')
    return undefined
  }
}

async function pause(ms: number, deps: Pick<ClientDeps, 'clock' | 'random'>, signal: AbortSignal): Promise<void> {
  const jitter = 0.5 + (deps.random.bytes(1)[0] ?? 0) / 255
  await deps.clock.sleep(ms * jitter, signal).catch(() => undefined) // it only rejects when the signal aborts
}
