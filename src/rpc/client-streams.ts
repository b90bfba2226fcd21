import type { ClientDuplexStream, ClientReadableStream } from '@grpc/grpc-js'
import { MayflyError } from '../core/errors.ts'
import type { CallScope } from './call-scope.ts'
import { fromStatus } from './status.ts'

export interface StreamingCall {
  readonly call: ClientReadableStream<object>
  readonly scope: CallScope
  /** What is sent meanwhile. */
  readonly sending?: { readonly requests: AsyncIterable<object>; readonly call: ClientDuplexStream<object, object> }
}

/** Messages of a streaming call, which begins when the first is asked for; sends `requests` meanwhile. Cancels the call when it is left or the scope aborts. */
export async function* messagesOf(begin: () => StreamingCall): AsyncGenerator<object, void, undefined> {
  const { call, scope, sending } = begin()
  let failure: { readonly reason: unknown } | undefined
  let isOver = false
  let wake: () => void = () => undefined
  const fail = (reason: unknown): void => {
    failure ??= { reason }
    wake()
  }
  call.on('error', (status) => fail(fromStatus(status)))
  call.on('readable', () => wake())
  call.on('end', () => {
    isOver = true
    wake()
  })
  call.on('close', () => isOver || fail(new MayflyError('UNAVAILABLE', 'the call was closed before its end')))
  scope.onAbort((reason) => {
    fail(reason)
    call.cancel()
  })
  sendAll(sending).catch((reason: unknown) => {
    fail(reason)
    call.cancel()
  })
  try {
    for (;;) {
      if (failure !== undefined) throw failure.reason
      const message = call.read() as object | null // of the call's deserializer
      if (message !== null) yield message
      else if (isOver) return
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  } catch (problem) {
    throw fromStatus(problem)
  } finally {
    call.cancel()
    scope.end()
  }
}

async function sendAll(sending: StreamingCall['sending']): Promise<void> {
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
