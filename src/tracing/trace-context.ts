import { fromHex, toHex } from '../core/bytes.ts'

/** Where a span belongs: W3C Trace Context. */
export interface TraceContext {
  /** 16 bytes, not all zero. */
  readonly traceId: Uint8Array
  /** 8 bytes, not all zero. */
  readonly spanId: Uint8Array
  readonly sampled: boolean
}

/** The value of a `traceparent` header; `undefined` for what is none. A later version is read as far as it is known. */
export function parseTraceparent(text: string): TraceContext | undefined {
  const [, version, trace = '', span = '', flags = '', more] = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(trace) || /^0+$/.test(span)) return undefined
  const [traceId, spanId] = [fromHex(trace), fromHex(span)]
  return traceId === undefined || spanId === undefined ? undefined : { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${toHex(traceId)}-${toHex(spanId)}-${sampled ? '01' : '00'}`
}
