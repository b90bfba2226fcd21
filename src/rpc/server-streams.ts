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
  try {
    for (;;) {
      const step = await untilAborted(iterator.next(), signal)
      if (step.done === true) {
        finished = true
        return
      }
      await untilAborted(written(call, step.value), signal)
    }
  } finally {
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

async function written(call: ServerWritableStream<object, object> | ServerDuplexStream<object, object>, message: object): Promise<void> {
  return new Promise((resolve, reject) => {
    writeMessage(call, message, (error) => (error instanceof Error ? reject(error) : resolve()))
  })
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
