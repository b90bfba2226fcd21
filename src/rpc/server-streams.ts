import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MayflyError } from '../core/errors.ts'
import { writeMessage } from './secret.ts'

/**
 * Writes one message after the other, each once the one before has been taken by the connection: a reader that stops reading holds
 * one message and the iterable waits. When the signal aborts, the iterable is told to return, but not waited for.
 */
export async function writeAll(messages: AsyncIterable<object>, call: ServerWritableStream<object, object> | ServerDuplexStream<object, object>, signal: AbortSignal): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]()
  let finished = false
  let stop: (reason: Error) => void = () => undefined
  // One listener for all waits of the call, which are its messages twice.
  const aborted = (): void => stop(reasonOf(signal))
  signal.addEventListener('abort', aborted, { once: true })
  const wait = async <T>(begin: (resolve: (value: T) => void, reject: (reason: unknown) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(reasonOf(signal))
      stop = reject
      begin(resolve, reject)
    })
  try {
    for (;;) {
      const step = await wait<IteratorResult<object>>((resolve, reject) => void iterator.next().then(resolve, reject))
      if (step.done === true) {
        finished = true
        return
      }
      await wait<void>((resolve, reject) => writeMessage(call, step.value, (error) => (error instanceof Error ? reject(error) : resolve())))
    }
  } finally {
    signal.removeEventListener('abort', aborted)
    if (!finished) iterator.return?.().catch(() => undefined) // it was told to stop; how it ends no longer matters to the caller
  }
}

/** The requests of a bidi call. Throws CANCELLED when the caller goes away before it has said its last. */
export async function* requestsOf(call: ServerDuplexStream<object, object>, signal: AbortSignal): AsyncGenerator<object, void, undefined> {
  const iterator = call.iterator({ destroyOnReturn: false }) as AsyncIterator<object, undefined> // messages of the call's deserializer
  for (;;) {
    const step = await untilAborted(iterator.next(), signal)
    if (step.done === true) {
      // A caller that goes away ends its stream too; that it has gone is known a turn later.
      await nextTurn()
      if (signal.aborted) throw reasonOf(signal)
      return
    }
    yield step.value
  }
}

/** What `wait` gives, or a rejection with the signal's reason when that aborts first; `wait` is then left to itself. */
export async function untilAborted<T>(wait: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      wait.catch(() => undefined) // abandoned: its failure has nobody to go to
      reject(reasonOf(signal))
    }
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    wait.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new MayflyError('CANCELLED', 'the call is over')
}
