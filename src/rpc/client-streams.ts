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

const callOver = new MayflyError('CANCELLED', 'the call is over')

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
  const left = new AbortController()
  sendAll(sending, left.signal).catch((reason: unknown) => {
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
    left.abort(callOver)
    call.cancel()
    scope.end()
  }
}

/** Until the call is over: then what is sent no more is not asked for either. */
async function sendAll(sending: StreamingCall['sending'], over: AbortSignal): Promise<void> {
  if (sending === undefined) return
  let sent: () => void = () => undefined
  over.addEventListener('abort', () => sent(), { once: true })
  for await (const request of sending.requests) {
    if (over.aborted) return
    await new Promise<void>((resolve) => {
      sent = resolve // a call that is over may never say that it wrote
      // A write that fails ends the call, and that is where the failure is told.
      sending.call.write(request, () => resolve())
    })
    if (over.aborted) return
  }
  sending.call.end()
}
