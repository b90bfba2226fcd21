import { toHex } from '../core/bytes.ts'
import type { Attributes, FinishedSpan } from './tracer.ts'

const kinds = { internal: 1, server: 2, client: 3 } as const
const failed = 2

/** An ExportTraceServiceRequest of OTLP 1, as its JSON encoding has it: ids in hexadecimal, times in ns as text. */
export function encodeSpans(spans: readonly FinishedSpan[], resource: Attributes): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: 'mayfly' }, spans: spans.map(spanOf) }],
      },
    ],
  })
}

function spanOf({ traceId, spanId, parentSpanId, name, kind, startMs, endMs, attributes, failure }: FinishedSpan): object {
  return {
    traceId: toHex(traceId),
    spanId: toHex(spanId),
    ...(parentSpanId === undefined ? {} : { parentSpanId: toHex(parentSpanId) }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: attributesOf(attributes),
    status: failure === undefined ? {} : { code: failed, message: failure },
  }
}

function attributesOf(attributes: Attributes): readonly object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: typeof value === 'string' ? { stringValue: value } : typeof value === 'boolean' ? { boolValue: value } : Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } }))
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1_000)) * 1_000n)
}
