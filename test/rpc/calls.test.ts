import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { RawGrpc } from '../support/hostile/raw-grpc.ts'
import { collect, latch, startRpc, thenWait } from '../support/rpc/harness.ts'

const failing = (failure: unknown) => async (): Promise<never> => {
  throw failure
}

describe('calls', () => {
  test('each kind of call brings its messages across, in order, in camelCase with defaults filled in', async () => {
    const { server, channel } = await startRpc(() => 'me')
    server.add('mayfly.v1.Status', {
      Get: async (_request, call) => ({ trustDomain: `${call.peer} ${call.method}`, epoch: 7 }),
      async *WatchEvents() {
        for (const name of ['a', 'b', 'c']) yield { name }
      },
    })
    server.add('mayfly.v1.Sync', {
      async *Connect(requests) {
        for await (const { hello, message } of requests) yield { renew: { reason: `${message} ${hello?.agentVersion} ${hello?.position?.chainHash.toString('hex')}` } }
      },
    })
    const rpc = channel()
    expect(await rpc.unary('mayfly.v1.Status', 'Get', {})).toMatchObject({ trustDomain: 'me /mayfly.v1.Status/Get', epoch: 7, authorities: [], version: '' })
    expect((await collect(rpc.serverStream('mayfly.v1.Status', 'WatchEvents', {}))).map(({ name, atMs }) => [name, atMs])).toEqual([['a', 0], ['b', 0], ['c', 0]])
    async function* hellos(): AsyncGenerator<{ hello: { agentVersion: string; position: { chainHash: Uint8Array } } }> {
      for (const agentVersion of ['1', '2']) yield { hello: { agentVersion, position: { chainHash: Buffer.from([1, 2]) } } }
    }
    expect((await collect(rpc.bidi('mayfly.v1.Sync', 'Connect', hellos()))).map(({ renew }) => renew?.reason)).toEqual(['hello 1 0102', 'hello 2 0102'])
  })

  test('a stream that both write to has its headers before the first answer, so that its caller need not keep what it sends', async () => {
    const { server, path } = await startRpc(() => 'me')
    server.add('mayfly.v1.Sync', {
      async *Connect(_requests, { signal }) {
        yield* thenWait([], signal) // says nothing
      },
    })
    using client = new RawGrpc({ path })
    const stream = client.session.request({ ':method': 'POST', ':path': '/mayfly.v1.Sync/Connect', 'content-type': 'application/grpc', te: 'trailers' })
    stream.on('error', () => undefined)
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>] // what it is emitted with
    expect(headers).toMatchObject({ ':status': 200, 'content-type': expect.stringContaining('application/grpc') })
    expect(headers).not.toHaveProperty('grpc-status')
  })

  test('a MayflyError arrives with its code, message, hint and details, and without its cause', async () => {
    const { server, channel } = await startRpc(() => 'me')
    const failure = new MayflyError('TARGET_DISABLED', 'größer \ud800 als 100 %', { hint: 'frag Zoë', details: { seq: 3, by: 'x' }, cause: new Error('a secret') })
    server.add('mayfly.v1.Status', { Get: failing(failure), async *WatchEvents() { yield { name: 'first' }; throw failure } })
    const rpc = channel()
    const wanted = { name: 'MayflyError', code: 'TARGET_DISABLED', message: 'größer � als 100 %', hint: 'frag Zoë', details: { seq: 3, by: 'x' } }
    const unary = await rpc.unary('mayfly.v1.Status', 'Get', {}).catch((error: unknown) => error)
    expect(unary).toMatchObject(wanted)
    expect(JSON.stringify(unary)).not.toContain('secret')
    await expect(collect(rpc.serverStream('mayfly.v1.Status', 'WatchEvents', {}))).rejects.toMatchObject(wanted)
  })

  test('any other failure arrives as INTERNAL without a word of it, and is logged', async () => {
    const { server, channel, log } = await startRpc(() => 'me')
    server.add('mayfly.v1.Status', { Get: failing(new TypeError('a secret')) })
    const failure = await channel().unary('mayfly.v1.Status', 'Get', {}).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'INTERNAL', message: 'internal error' })
    expect(log.facts).toMatchObject([{ event: 'rpc.failed', method: '/mayfly.v1.Status/Get', error: { message: 'a secret' } }])
  })

  test('EP-14 a method without a handler, and a service that is not there, are UNIMPLEMENTED', async () => {
    const { server, channel } = await startRpc(() => 'me')
    server.add('SpiffeWorkloadAPI', {})
    const rpc = channel()
    await expect(collect(rpc.serverStream('SpiffeWorkloadAPI', 'FetchWITSVID', {}))).rejects.toMatchObject({ code: 'UNIMPLEMENTED' })
    await expect(rpc.unary('SpiffeWorkloadAPI', 'FetchJWTSVID', {})).rejects.toMatchObject({ code: 'UNIMPLEMENTED' })
    await expect(rpc.unary('mayfly.v1.Registry', 'GetEntry', {})).rejects.toMatchObject({ code: 'UNIMPLEMENTED' })
  })

  test('metadata arrives, also of two values', async () => {
    const { server, channel } = await startRpc(() => 'me')
    server.add('mayfly.v1.Status', { Get: async (_request, call) => ({ version: JSON.stringify(call.metadata.values('workload.spiffe.io')) }) })
    const rpc = channel()
    expect((await rpc.unary('mayfly.v1.Status', 'Get', {}, { metadata: { 'workload.spiffe.io': 'true' } })).version).toBe('["true"]')
    expect((await rpc.unary('mayfly.v1.Status', 'Get', {})).version).toBe('[]')
  })
})

describe('the end of a call', () => {
  test("cancelling aborts the handler's signal and fails the call with the caller's reason", async () => {
    const { server, channel } = await startRpc(() => 'me')
    const [started, aborted] = [latch(), latch()]
    server.add('mayfly.v1.Status', {
      Get: async (_request, call) => {
        call.signal.addEventListener('abort', () => aborted.resolve())
        started.resolve()
        return new Promise(() => undefined)
      },
    })
    const stop = new AbortController()
    const call = channel().unary('mayfly.v1.Status', 'Get', {}, { signal: stop.signal })
    await started.promise
    stop.abort(new Error('changed my mind'))
    await expect(call).rejects.toThrow('changed my mind')
    await aborted.promise
  })

  test("leaving the loop over a stream ends the handler's", async () => {
    const { server, channel } = await startRpc(() => 'me')
    const over = latch()
    server.add('mayfly.v1.Status', {
      async *WatchEvents(_request, call) {
        try {
          yield* thenWait([{ name: 'a' }, { name: 'b' }], call.signal)
        } finally {
          over.resolve()
        }
      },
    })
    for await (const event of channel().serverStream('mayfly.v1.Status', 'WatchEvents', {})) if (event.name === 'a') break
    await over.promise
  })

  test('a deadline ends the call on both sides, and the handler knows it', async () => {
    const { server, channel } = await startRpc(() => 'me')
    const seen = latch<number | undefined>()
    const aborted = latch()
    server.add('mayfly.v1.Status', {
      Get: async (_request, call) => {
        call.signal.addEventListener('abort', () => aborted.resolve())
        seen.resolve(call.deadlineMs)
        return new Promise(() => undefined)
      },
    })
    let isSeen = false
    const deadline = seen.promise.finally(() => (isSeen = true))
    const caller = channel()
    // A call whose deadline is over before it comes is not handled at all: on a busy machine one of the next ones is.
    for (let timeoutMs = 50; !isSeen; timeoutMs *= 2) await expect(caller.unary('mayfly.v1.Status', 'Get', {}, { timeoutMs })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(await deadline).toBeTypeOf('number')
    await aborted.promise
  })

  test('a unary call that takes longer than the limit is ended by the server', async () => {
    const clock = new FakeClock()
    const { server, channel } = await startRpc(() => 'me', { maxUnaryMs: 5_000 }, clock)
    const [started, aborted] = [latch(), latch()]
    server.add('mayfly.v1.Status', {
      Get: async (_request, call) => {
        call.signal.addEventListener('abort', () => aborted.resolve())
        started.resolve()
        return new Promise(() => undefined)
      },
    })
    const call = channel().unary('mayfly.v1.Status', 'Get', {})
    call.catch(() => undefined)
    await started.promise
    await clock.advance(5_000)
    await expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', message: 'the call took longer than 5000 ms' })
    await aborted.promise
  })

  test("a handler's requests throw CANCELLED when the caller goes away in mid-stream, and end when it has said its last", async () => {
    const { server, channel } = await startRpc(() => 'me')
    const ends: unknown[] = []
    let ended = latch()
    server.add('mayfly.v1.Sync', {
      async *Connect(requests) {
        try {
          for await (const _ of requests) yield { renew: { reason: 'got one' } }
          ends.push('ended')
        } catch (failure) {
          ends.push(failure)
          throw failure
        } finally {
          ended.resolve()
        }
      },
    })
    const rpc = channel()
    const stop = new AbortController()
    for await (const _ of rpc.bidi('mayfly.v1.Sync', 'Connect', thenWait([{ hello: {} }], stop.signal))) break
    await ended.promise
    expect(ends).toMatchObject([{ code: 'CANCELLED' }])
    stop.abort()
    ended = latch()
    await collect(rpc.bidi('mayfly.v1.Sync', 'Connect', thenWait([{ hello: {} }], AbortSignal.abort())))
    await ended.promise
    expect(ends[1]).toBe('ended')
  })

  test('what is to be sent ends with its call: whatever comes later is neither taken nor waited for', async () => {
    const { server, channel } = await startRpc(() => 'me')
    server.add('mayfly.v1.Sync', {
      async *Connect(requests) {
        for await (const _ of requests) throw new MayflyError('UNAVAILABLE', 'enough')
        yield* []
      },
    })
    const [later, ended] = [latch(), latch()]
    let asked = 0
    async function* hellos(): AsyncGenerator<{ hello: object }> {
      try {
        for (;;) {
          if (asked++ > 0) await later.promise
          yield { hello: {} }
        }
      } finally {
        ended.resolve()
      }
    }
    await expect(collect(channel().bidi('mayfly.v1.Sync', 'Connect', hellos()))).rejects.toMatchObject({ message: 'enough' })
    later.resolve()
    await ended.promise
    expect(asked).toBe(2)
  })

  test('closing lets unary calls finish, ends streams with SHUTTING_DOWN, and leaves no connection', async () => {
    const { server, channel } = await startRpc(() => 'me')
    const [started, finish] = [latch(), latch()]
    server.add('mayfly.v1.Status', {
      Get: async () => {
        started.resolve()
        await finish.promise
        return { version: 'done' }
      },
      WatchEvents: (_request, call) => thenWait([{ name: 'a' }], call.signal),
    })
    const rpc = channel()
    const stream = rpc.serverStream('mayfly.v1.Status', 'WatchEvents', {})
    await stream.next()
    const call = rpc.unary('mayfly.v1.Status', 'Get', {})
    await started.promise
    const closed = server.close(10_000)
    await expect(stream.next()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    finish.resolve()
    expect((await call).version).toBe('done')
    await closed
    expect([server.connections, server.calls]).toEqual([0, 0])
  })

  test('closing cuts what does not finish in its grace', async () => {
    const clock = new FakeClock()
    const { server, channel } = await startRpc(() => 'me', {}, clock)
    const started = latch()
    server.add('mayfly.v1.Status', {
      Get: async (_request, call) => {
        started.resolve()
        return new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error)))
      },
    })
    const call = channel().unary('mayfly.v1.Status', 'Get', {})
    call.catch(() => undefined)
    await started.promise
    const closed = server.close(1_000)
    await clock.advance(1_000)
    await closed
    await expect(call).rejects.toMatchObject({ name: 'MayflyError' })
    expect([server.connections, server.calls]).toEqual([0, 0])
  })

  test('closing the channel ends its calls', async () => {
    const { server, channel } = await startRpc(() => 'me')
    server.add('mayfly.v1.Status', { WatchEvents: (_request, call) => thenWait([{ name: 'a' }], call.signal) })
    const rpc = channel()
    const stream = rpc.serverStream('mayfly.v1.Status', 'WatchEvents', {})
    await stream.next()
    rpc.close()
    await expect(stream.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(rpc.unary('mayfly.v1.Status', 'Get', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
