import type { ClientDuplexStream, ClientReadableStream } from '@grpc/grpc-js'
import type { CallScope } from './call-scope.ts'
import { fromStatus } from './status.ts'

interface Sending {
  readonly requests: AsyncIterable<object>
  readonly call: ClientDuplexStream<object, object>
}

/** Messages of a streaming call; sends `requests` meanwhile. Cancels the call when it is left or the scope aborts. */
export async function* messagesOf(call: ClientReadableStream<object>, scope: CallScope, sending?: Sending): AsyncGenerator<object, void, undefined> {
  let failure: { readonly reason: unknown } | undefined
  let reject: (reason: unknown) => void = () => undefined
  const fail = (reason: unknown): void => {
    failure ??= { reason }
    reject(failure.reason)
  }
  call.on('error', (status) => fail(fromStatus(status)))
  scope.onAbort((reason) => {
    fail(reason)
    call.cancel()
  })
  sendAll(sending).catch((reason: unknown) => {
    fail(reason)
    call.cancel()
  })
  const iterator = call.iterator({ destroyOnReturn: false }) as AsyncIterator<object, undefined> // messages of the call's deserializer
  try {
    for (;;) {
      // Not a race with one promise of the whole call: that would keep a little of every message for as long as the call lasts.
      const step = await new Promise<IteratorResult<object, undefined>>((resolve, rejectThis) => {
        if (failure !== undefined) return rejectThis(failure.reason) // eslint-disable-line prefer-promise-reject-errors
        reject = rejectThis
        iterator.next().then(resolve, rejectThis)
      })
      if (step.done === true) return
      yield step.value
    }
  } catch (problem) {
    throw fromStatus(problem)
  } finally {
    call.cancel()
  }
}

async function sendAll(sending: Sending | undefined): Promise<void> {
  if (sending === undefined) return
  for await (const request of sending.requests) {
    if (sending.call.destroyed) return
    await new Promise<void>((resolve) => {
      // A write that fails ends the call, and that is where the failure is told.
      sending.call.write(request, () => resolve())
    })
  }
  sending.call.end()
}
