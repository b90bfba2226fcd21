import { Metadata as GrpcMetadata, status as statusNumbers } from '@grpc/grpc-js'
import type { ErrorCode, RpcStatusName } from '../core/errors.ts'
import { isErrorCode, MayflyError } from '../core/errors.ts'
import { permissionDeniedDetails } from './status-details.ts'
import { unreachable } from './unreachable.ts'

/** A gRPC status as grpc-js takes and gives it. */
export interface RpcStatus {
  readonly code: number
  readonly details: string
  readonly metadata: GrpcMetadata
}

/** A failure as it goes over the wire: a MayflyError with its code, hint and details; anything else as INTERNAL without a word of it. */
export function toStatus(failure: unknown): RpcStatus {
  const metadata = new GrpcMetadata()
  if (!(failure instanceof MayflyError)) {
    metadata.set(codeKey, 'INTERNAL')
    return { code: statusNumbers.INTERNAL, details: 'internal error', metadata }
  }
  metadata.set(codeKey, failure.code)
  if (failure.hint !== undefined) metadata.set(hintKey, Buffer.from(failure.hint))
  if (Object.keys(failure.details).length > 0) metadata.set(detailsKey, Buffer.from(JSON.stringify(failure.details)))
  const message = bounded(failure.message)
  const reason = permissionDeniedDetails(failure.code, message)
  if (reason !== undefined) metadata.set('grpc-status-details-bin', reason)
  return { code: statusNumbers[failure.status], details: message, metadata }
}

/** A failed call as a MayflyError: with the code that the server sent along, else the nearest one of the status. */
export function fromStatus(failure: unknown): MayflyError {
  if (failure instanceof MayflyError) return failure
  if (!isRpcStatus(failure)) return new MayflyError('INTERNAL', 'the call failed', { cause: failure })
  const sent = failure.metadata?.get(codeKey)[0]
  const code = typeof sent === 'string' && isErrorCode(sent) ? sent : nearestCode(failure.code)
  const hint = failure.metadata?.get(hintKey)[0]
  const local = sent === undefined && code === 'UNAVAILABLE' ? unreachable(failure.details) : undefined
  return new MayflyError(code, local?.message ?? (failure.details === '' ? 'the call failed' : failure.details), {
    ...(hint instanceof Buffer ? { hint: hint.toString() } : local?.hint === undefined ? {} : { hint: local.hint }),
    details: readDetails(failure.metadata?.get(detailsKey)[0]),
    cause: failure,
  })
}

const codeKey = 'mayfly-code'
const hintKey = 'mayfly-hint-bin'
const detailsKey = 'mayfly-details-bin'
const maxMessageLength = 1_000

/** The message travels percent-encoded in a header: bounded, and without lone surrogates, at which encodeURI throws. */
function bounded(message: string): string {
  return message.slice(0, maxMessageLength).toWellFormed()
}

const nearest: Readonly<Record<RpcStatusName, ErrorCode>> = {
  CANCELLED: 'CANCELLED',
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
  NOT_FOUND: 'NOT_FOUND',
  ALREADY_EXISTS: 'ALREADY_EXISTS',
  PERMISSION_DENIED: 'PERMISSION_DENIED',
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  RESOURCE_EXHAUSTED: 'LIMIT_EXCEEDED',
  FAILED_PRECONDITION: 'PRECONDITION_FAILED',
  UNIMPLEMENTED: 'UNIMPLEMENTED',
  UNAVAILABLE: 'UNAVAILABLE',
  DATA_LOSS: 'STORE_CORRUPT',
  INTERNAL: 'INTERNAL',
}

function nearestCode(status: number): ErrorCode {
  const name = statusNumbers[status]
  if (name === 'ABORTED') return 'UNAVAILABLE'
  if (name === 'OUT_OF_RANGE') return 'INVALID_ARGUMENT'
  return name !== undefined && Object.hasOwn(nearest, name) ? nearest[name as RpcStatusName] : 'INTERNAL' // own key of the table
}

interface FailedCall {
  readonly code: number
  readonly details: string
  readonly metadata?: GrpcMetadata
}

function isRpcStatus(failure: unknown): failure is FailedCall {
  return typeof failure === 'object' && failure !== null && 'code' in failure && typeof failure.code === 'number' && 'details' in failure && typeof failure.details === 'string'
}

function readDetails(sent: string | Buffer | undefined): Record<string, string | number | boolean> {
  if (sent === undefined) return {}
  try {
    const parsed: unknown = JSON.parse(sent.toString())
    if (typeof parsed !== 'object' || parsed === null) return {}
    return Object.fromEntries(Object.entries(parsed).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value)))
  } catch {
    return {} // details are a convenience; the code is what counts
  }
}
