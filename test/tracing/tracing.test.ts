import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'

import { SpanExporter } from '../../src/tracing/exporter.ts'
import { encodeSpans } from '../../src/tracing/otlp.ts'
import { formatTraceparent, parseTraceparent } from '../../src/tracing/trace-context.ts'
import { Tracer } from '../../src/tracing/tracer.ts'
import type { FinishedSpan } from '../../src/tracing/tracer.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { FakeClock } from '../support/fake-clock.ts'

const known = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

describe('traceparent', () => {
  test('is read and written as W3C Trace Context has it', () => {
    const context = parseTraceparent(known)
    expect(context).toMatchObject({ sampled: true })
    expect(context === undefined ? '' : formatTraceparent(context)).toBe(known)
    expect(parseTraceparent(known.replace(/01$/, '00'))?.sampled).toBe(false)
    expect(parseTraceparent(`cc${known.slice(2)}-more`)).toBeDefined()
  })

  test.each(['', known.slice(0, -1), `${known}-more`, `ff${known.slice(2)}`, known.toUpperCase(), known.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)), known.replace('00f067aa0ba902b7', '0'.repeat(16)), ` ${known}`])('what is none is none: %j', (text) => {
    expect(parseTraceparent(text)).toBeUndefined()
  })

  test('no text makes the parser throw', () => {
    fc.assert(fc.property(fc.string({ maxLength: 80 }), (text) => void parseTraceparent(text)))
  })
})

function tracerOf(samplePercent: number): { readonly tracer: Tracer; readonly spans: FinishedSpan[]; readonly clock: FakeClock } {
  const spans: FinishedSpan[] = []
  const clock = new FakeClock()
  return { tracer: new Tracer({ samplePercent }, { clock, random: systemRandom, finished: (span) => spans.push(span) }), spans, clock }
}

test('a span belongs to its parent, takes as long as it takes, and ends once', async () => {
  const { tracer, spans, clock } = tracerOf(100)
  const outer = tracer.start('outer', 'server', undefined, { a: 1 })
  const inner = tracer.start('inner', 'internal', outer.context)
  await clock.advance(250)
  inner.end({}, 'LIMIT_EXCEEDED')
  inner.end()
  outer.end({ b: true })
  expect(spans.map(({ name, parentSpanId, failure, attributes, startMs, endMs }) => ({ name, parentSpanId, failure, attributes, ms: endMs - startMs }))).toEqual([
    { name: 'inner', parentSpanId: outer.context.spanId, failure: 'LIMIT_EXCEEDED', attributes: {}, ms: 250 },
    { name: 'outer', parentSpanId: undefined, failure: undefined, attributes: { a: 1, b: true }, ms: 250 },
  ])
  expect(inner.context.traceId).toEqual(outer.context.traceId)
})

test('what is not sampled leaves no span, nor does what hangs on it; a caller that sampled is followed', () => {
  const { tracer, spans } = tracerOf(0)
  const outer = tracer.start('outer', 'server', undefined)
  tracer.start('inner', 'internal', outer.context).end()
  outer.end()
  expect(spans).toEqual([])
  tracer.start('asked for', 'server', parseTraceparent(known)).end()
  expect(spans.map(({ name }) => name)).toEqual(['asked for'])
})

test('about as many traces are kept as is said', () => {
  const { tracer, spans } = tracerOf(25)
  for (let at = 0; at < 4_000; at++) tracer.start('x', 'server', undefined).end()
  expect(spans.length).toBeGreaterThan(800)
  expect(spans.length).toBeLessThan(1_200)
})

test('spans are written as OTLP has them in JSON', () => {
  const context = parseTraceparent(known)
  if (context === undefined) throw new Error('no context')
  const span: FinishedSpan = { ...context, parentSpanId: undefined, name: 'n', kind: 'server', startMs: 1_700_000_000_000.5, endMs: 1_700_000_000_001, attributes: { text: 'x', whole: 3, part: 0.5, flag: false }, failure: 'X' }
  expect(JSON.parse(encodeSpans([span], { 'service.name': 's' }))).toEqual({
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 's' } }] },
        scopeSpans: [
          {
            scope: { name: 'mayfly' },
            spans: [
              {
                traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
                spanId: '00f067aa0ba902b7',
                name: 'n',
                kind: 2,
                startTimeUnixNano: '1700000000000500000',
                endTimeUnixNano: '1700000000001000000',
                attributes: [
                  { key: 'text', value: { stringValue: 'x' } },
                  { key: 'whole', value: { intValue: '3' } },
                  { key: 'part', value: { doubleValue: 0.5 } },
                  { key: 'flag', value: { boolValue: false } },
                ],
                status: { code: 2, message: 'X' },
              },
            ],
          },
        ],
      },
    ],
  })
})

describe('the exporter', () => {
  const bodies: string[] = []
  async function collector(status: () => number): Promise<{ readonly server: Server; readonly endpoint: string }> {
    bodies.length = 0
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text)).on('end', () => {
        bodies.push(body)
        response.writeHead(status()).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return { server, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces` } // it listens on TCP
  }
  const finished = (name: string): FinishedSpan => ({ traceId: new Uint8Array(16), spanId: new Uint8Array(8), sampled: true, parentSpanId: undefined, name, kind: 'internal', startMs: 1, endMs: 2, attributes: {}, failure: undefined })

  test('sends what is left when it ends', async () => {
    const { endpoint } = await collector(() => 200)
    const exporter = new SpanExporter({ endpoint, resource: {} }, { clock: systemClock, log: new KeptLog() })
    exporter.add(finished('last'))
    await exporter[Symbol.asyncDispose]()
    expect(bodies).toHaveLength(1)
    expect(bodies[0]).toContain('"last"')
  })

  test('tries again what may be tried again, and drops and reports what is refused', async () => {
    let status = 503
    const { endpoint } = await collector(() => status)
    const clock = new FakeClock()
    const log = new KeptLog()
    const exporter = new SpanExporter({ endpoint, resource: {} }, { clock, log })
    exporter.add(finished('kept'))
    await clock.advance(2_000)
    await expect.poll(() => bodies.length).toBe(1)
    status = 200
    await expect.poll(async () => {
      await clock.advance(5_000)
      return bodies.length
    }).toBe(2)
    expect(bodies[1]).toContain('"kept"')
    status = 400
    exporter.add(finished('refused'))
    await expect.poll(async () => {
      await clock.advance(2_000)
      return log.facts.some(({ event }) => event === 'tracing.dropped')
    }).toBe(true)
    await exporter[Symbol.asyncDispose]()
  })

  test('without a collector it holds nobody up, and keeps no more than its bound', async () => {
    const log = new KeptLog()
    const exporter = new SpanExporter({ endpoint: 'http://127.0.0.1:9/v1/traces', resource: {} }, { clock: systemClock, log })
    for (let at = 0; at < 10_000; at++) exporter.add(finished('x'))
    await exporter[Symbol.asyncDispose]()
    expect(log.facts.some(({ event, spans }) => event === 'tracing.dropped' && Number(spans) >= 10_000 - 4_096)).toBe(true)
  })
})
