import type { ErrorCode } from '../core/errors.ts'

/**
 * `google.rpc.Status` with SPIRE's `PermissionDeniedDetails`, by which a SPIRE agent knows whether to attest again or to give up;
 * `undefined` for a code that has no reason there.
 */
export function permissionDeniedDetails(code: ErrorCode, message: string): Buffer | undefined {
  const reason = reasons[code]
  if (reason === undefined) return undefined
  const any = Buffer.concat([field(1, Buffer.from('type.googleapis.com/spire.api.types.PermissionDeniedDetails')), field(2, Buffer.from([0x08, reason]))])
  return Buffer.concat([Buffer.from([0x08, 7]), field(2, Buffer.from(message)), field(3, any)])
}

/** Numbers of `spire.api.types.PermissionDeniedDetails.Reason`. */
const reasons: Partial<Record<ErrorCode, number>> = { AGENT_EXPIRED: 1, AGENT_NOT_ATTESTED: 2, AGENT_NOT_ACTIVE: 3, AGENT_BANNED: 4 }

/** A length-delimited protobuf field. */
function field(number: number, content: Buffer): Buffer {
  const length: number[] = []
  let rest = content.length
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, rest]), content])
}
