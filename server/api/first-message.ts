import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'

const limitMs = 10_000

/**
 * The first message of a stream, or the next one, waited for ten seconds: whoever opens one, or was asked, has something to say.
 * @param what it is, for people @throws {MayflyError} DEADLINE_EXCEEDED, INVALID_ARGUMENT when the stream ends without one
 */
export async function firstMessage<T>(messages: AsyncIterator<T>, what: string, clock: Clock, signal: AbortSignal): Promise<T> {
  const done = new AbortController()
  const limit = clock.sleep(limitMs, AbortSignal.any([signal, done.signal])).then(() => {
    throw new MayflyError('DEADLINE_EXCEEDED', `no ${what} came in time`)
  })
  try {
    const first = await Promise.race([messages.next(), limit])
    if (first.done === true) throw new MayflyError('INVALID_ARGUMENT', `the stream ended before a ${what}`)
    return first.value
  } finally {
    done.abort()
    await limit.catch(() => undefined) // it was only a limit
  }
}
