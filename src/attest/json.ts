import { MayflyError } from '../core/errors.ts'

/** Longest payload, challenge or answer of an attestation. */
export const maxMessageBytes = 65_536

/** An object of JSON from a stranger. Members nobody asks for are passed over: later versions of SPIRE may add some. @throws {MayflyError} ATTESTATION_INVALID */
export function parseMessage(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  if (bytes.length > maxMessageBytes) throw invalid(`the ${what} is longer than ${maxMessageBytes} bytes`)
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw invalid(`the ${what} is no JSON`)
  }
  return objectOf(json, what)
}

/** @throws {MayflyError} ATTESTATION_INVALID */
export function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`the ${what} is no object`)
  return value as Record<string, unknown> // an object of JSON
}

/** Bytes as Go writes them into JSON: base64 of RFC 4648 4, with padding and nothing else between. @throws {MayflyError} ATTESTATION_INVALID */
export function bytesOf(value: unknown, what: string, maxBytes: number): Uint8Array {
  if (typeof value !== 'string' || value.length > Math.ceil(maxBytes / 3) * 4) throw invalid(`the ${what} is missing or too long`)
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length === 0 || bytes.length > maxBytes || bytes.toString('base64') !== value) throw invalid(`the ${what} is not base64 of 1 to ${maxBytes} bytes`)
  return new Uint8Array(bytes)
}

export function formatMessage(message: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message))
}

/** As {@link bytesOf} reads them. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

export function invalid(why: string): MayflyError {
  return new MayflyError('ATTESTATION_INVALID', why)
}
