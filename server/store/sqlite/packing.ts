import { shareCommon, spreadCommon, type CommonFields } from '../../journal/common-fields.ts'
import { serialBytes } from '../../../src/core/serial.ts'
import type { CredentialRequest, ReserveResult } from '../port.ts'

/** Requests as a message to another thread: much cheaper than the objects. */
export interface PackedRequests {
  /** JSON of the {@link CommonFields} of {@link UnpackedRequest}. */
  readonly text: string
  /** 8 bytes of each. */
  readonly randoms: Uint8Array
}

/** A request in the worker, its random bytes beside it. */
export type UnpackedRequest = Omit<CredentialRequest, 'random'>

/** Results in one piece of memory: a serial for each request, zeros where it was refused. */
export interface PackedResults {
  readonly serials: Uint8Array
  readonly refusals: readonly (Refusal & { readonly at: number })[]
}

export type Refusal = Extract<ReserveResult, { ok: false }>

export function packRequests(requests: readonly CredentialRequest[]): PackedRequests {
  const randoms = new Uint8Array(requests.length * randomBytes)
  for (const [at, { random }] of requests.entries()) randoms.set(random, at * randomBytes)
  return { text: JSON.stringify(shareCommon<UnpackedRequest>(requests.map(({ random: _random, ...rest }) => rest))), randoms }
}

/** With the 8 random bytes of each. */
export function unpackRequests({ text, randoms }: PackedRequests): { readonly requests: readonly UnpackedRequest[]; readonly randomOf: (at: number) => Uint8Array } {
  const shared = JSON.parse(text) as CommonFields<UnpackedRequest> // packRequests made it
  return { requests: spreadCommon(shared), randomOf: (at) => randoms.subarray(at * randomBytes, (at + 1) * randomBytes) }
}

export function packResults(results: readonly (Uint8Array | Refusal)[]): PackedResults {
  const serials = new Uint8Array(results.length * serialBytes)
  const refusals: (Refusal & { at: number })[] = []
  for (const [at, result] of results.entries()) {
    if (result instanceof Uint8Array) serials.set(result, at * serialBytes)
    else refusals.push({ ...result, at })
  }
  return { serials, refusals }
}

export function unpackResults({ serials, refusals }: PackedResults): ReserveResult[] {
  const results: ReserveResult[] = []
  for (let at = 0; at < serials.length; at += serialBytes) results.push({ ok: true, serial: serials.subarray(at, at + serialBytes) })
  for (const { at, ok, code, message } of refusals) results[at] = { ok, code, message }
  return results
}

/** Serials one after another. */
export function packSerials(serials: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(serials.length * serialBytes)
  for (const [at, serial] of serials.entries()) packed.set(serial, at * serialBytes)
  return packed
}

/** The same as hexadecimal text, each. */
export function serialTexts(packed: Uint8Array): string[] {
  const text = Buffer.from(packed.buffer, packed.byteOffset, packed.length).toString('hex')
  return Array.from({ length: packed.length / serialBytes }, (_, at) => text.slice(at * serialBytes * 2, (at + 1) * serialBytes * 2))
}

const randomBytes = 8
