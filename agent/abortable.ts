import type { Clock } from '../src/ports/clock.ts'

/** The promise, or the signal's reason when that comes first; the promise itself runs on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const aborted = (): void => reject(signal.reason)
    signal.addEventListener('abort', aborted, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}

/** Aborts with whichever comes first. Dispose it when nobody waits any more: `AbortSignal.any` is forgotten by the collector alone, which on a long connection is work for each of its calls. */
export function either(first: AbortSignal, second: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const both = new AbortController()
  const byFirst = (): void => both.abort(first.reason)
  const bySecond = (): void => both.abort(second.reason)
  if (first.aborted) byFirst()
  else if (second.aborted) bySecond()
  first.addEventListener('abort', byFirst, { once: true })
  second.addEventListener('abort', bySecond, { once: true })
  return {
    signal: both.signal,
    [Symbol.dispose]: () => {
      first.removeEventListener('abort', byFirst)
      second.removeEventListener('abort', bySecond)
    },
  }
}

/** The promise; what `late` says when it takes longer than `limitMs`; or the signal's reason. */
export async function within<T>(promise: Promise<T>, limitMs: number, late: () => Error, clock: Clock, signal: AbortSignal): Promise<T> {
  const done = new AbortController()
  const limit = clock.sleep(limitMs, done.signal).then(() => {
    throw late()
  })
  try {
    return await abortable(Promise.race([promise, limit]), signal)
  } finally {
    done.abort()
    await limit.catch(() => undefined) // it was only a limit
  }
}
