import { errorCodes, MayflyError } from '../../src/core/errors.ts'
import type { ErrorCode, RpcStatusName } from '../../src/core/errors.ts'
import type { Logger } from '../../src/ports/logger.ts'

/** `spire.api.types.Status`: how one item of a batch fared. */
export interface WireStatus {
  readonly code: number
  readonly message: string
}

/** gRPC's numbers of the statuses that mayfly uses. */
const numbers: Readonly<Record<RpcStatusName, number>> = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
}

export const ok: WireStatus = { code: 0, message: 'OK' }

/** Of an item: the message begins with the code, as there is no trailer for it to travel in. */
export function statusOf(code: ErrorCode, message: string): WireStatus {
  return { code: numbers[errorCodes[code]], message: `${code}: ${message}` }
}

/** Of what was thrown for an item; what is not ours says nothing of itself and is logged. */
export function statusOfError(error: unknown, log: Logger): WireStatus {
  if (error instanceof MayflyError) return statusOf(error.code, error.message)
  log.error({ event: 'rpc.item_failed', error }, 'an item of a batch failed')
  return statusOf('INTERNAL', 'internal error')
}
