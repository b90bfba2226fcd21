import { serialBytes } from '../../../src/core/serial.ts'
import type { CredentialRequest, ReserveResult } from '../port.ts'

/** Requests as JSON text, the random bytes as hexadecimal: much cheaper to send to another thread than the objects. */
export type PackedRequests = string

/** A request in the worker. */
export interface UnpackedRequest extends Omit<CredentialRequest, 'random'> {
  /** 8 bytes, hexadecimal. */
  readonly random: string
}

/** Results in one piece of memory: a serial for each request, zeros where it was refused. */
export interface PackedResults {
  readonly serials: Uint8Array
  readonly refusals: readonly (Refusal & { readonly at: number })[]
}

export type Refusal = Extract<ReserveResult, { ok: false }>

export function packRequests(requests: readonly CredentialRequest[]): PackedRequests {
  return JSON.stringify(requests.map((request) => ({ ...request, random: Buffer.from(request.random).toString('hex') })))
}

export function unpackRequests(packed: PackedRequests): UnpackedRequest[] {
  return JSON.parse(packed) as UnpackedRequest[] // packRequests made it
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
