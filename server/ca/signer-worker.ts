import type { KeyObject } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { MayflyError, type ErrorCode } from '../../src/core/errors.ts'
import { pack, unpack, type Packed } from './packed.ts'
import { loadProfiles } from './profiles.ts'
import { Signer, type Prepared, type Refused, type SigningOrder } from './signer.ts'

export type SignerRequest =
  | { readonly kind: 'learn'; readonly authorityId: string; readonly certificate: Uint8Array; readonly key: KeyObject | undefined }
  | { readonly kind: 'prepare'; readonly batch: number; readonly authorityId: string; readonly issuedAtMs: number; readonly orders: readonly SigningOrder[]; readonly keys: Packed }
  /** `take`: the to-be-signed bytes, for a token to sign. */
  | { readonly kind: 'sign' | 'take'; readonly batch: number; readonly serials: Packed }
  | { readonly kind: 'drop'; readonly batch: number }

export type SignerAnswer =
  | { readonly kind: 'prepared'; readonly batch: number; readonly keyHashes: Packed; readonly refusals: ReadonlyMap<number, Refused> }
  /** Certificates, or what a token is to sign. */
  | { readonly kind: 'signed'; readonly batch: number; readonly certificates: Packed }
  | { readonly kind: 'failed'; readonly batch: number; readonly code: ErrorCode; readonly message: string }

const port = parentPort
if (port === null) throw new Error('this module is a worker')
const nothing = new Uint8Array(0)
const signer = new Signer(loadProfiles())

port.on('message', (request: SignerRequest) => {
  const answer = answerTo(request)
  if (answer !== undefined) port.postMessage(answer, answer.kind === 'failed' ? [] : [answer.kind === 'signed' ? answer.certificates.bytes.buffer : answer.keyHashes.bytes.buffer])
})

function answerTo(request: SignerRequest): SignerAnswer | undefined {
  switch (request.kind) {
    case 'learn':
      signer.learn(request.authorityId, request.certificate, request.key)
      return undefined
    case 'prepare':
      return guarded(request.batch, () => prepared(request.batch, signer.prepare(request.batch, request.authorityId, request.issuedAtMs, request.orders, unpack(request.keys))))
    case 'sign':
    case 'take':
      return guarded(request.batch, () => {
        const serials = unpack(request.serials).map((serial) => (serial.length === 0 ? undefined : serial))
        return { kind: 'signed', batch: request.batch, certificates: pack(signer[request.kind](request.batch, serials)) }
      })
    case 'drop':
      signer.drop(request.batch)
      return undefined
    default:
      return request satisfies never
  }
}

function prepared(batch: number, results: readonly Prepared[]): SignerAnswer {
  const refusals = new Map([...results.entries()].flatMap(([at, result]) => (result.ok ? [] : [[at, result]])))
  return { kind: 'prepared', batch, keyHashes: pack(results.map((result) => (result.ok ? result.publicKeyHash : nothing))), refusals }
}

function guarded(batch: number, work: () => SignerAnswer): SignerAnswer {
  try {
    return work()
  } catch (error) {
    signer.drop(batch)
    const known = error instanceof MayflyError
    return { kind: 'failed', batch, code: known ? error.code : 'INTERNAL', message: known ? error.message : 'signing failed' }
  }
}
