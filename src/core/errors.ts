/**
 * The one error class and its closed list of codes. Callers branch on `code`; `docs/errors.md` has a row for each.
 * `status` is the gRPC status that carries it over the wire.
 */
export const errorCodes = {
  // input
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  USAGE: 'INVALID_ARGUMENT',
  SPIFFE_ID_INVALID: 'INVALID_ARGUMENT',
  ENDPOINT_INVALID: 'INVALID_ARGUMENT',
  SELECTOR_INVALID: 'INVALID_ARGUMENT',
  SERIAL_INVALID: 'INVALID_ARGUMENT',
  DURATION_INVALID: 'INVALID_ARGUMENT',
  ENTRY_INVALID: 'INVALID_ARGUMENT',
  CSR_INVALID: 'INVALID_ARGUMENT',
  DER_INVALID: 'INVALID_ARGUMENT',
  CERTIFICATE_INVALID: 'INVALID_ARGUMENT',
  CONFIG_INVALID: 'INVALID_ARGUMENT',
  PROFILE_INVALID: 'INVALID_ARGUMENT',
  PAGE_TOKEN_INVALID: 'INVALID_ARGUMENT',
  TTL_TOO_LONG: 'INVALID_ARGUMENT',
  JOIN_LINE_INVALID: 'INVALID_ARGUMENT',
  POLICY_INVALID: 'INVALID_ARGUMENT',
  METADATA_MISSING: 'INVALID_ARGUMENT',
  INTENT_INVALID: 'INVALID_ARGUMENT',
  ATTESTATION_INVALID: 'INVALID_ARGUMENT',
  // who may
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  PERMISSION_DENIED: 'PERMISSION_DENIED',
  NO_IDENTITY: 'PERMISSION_DENIED',
  PEER_REFUSED: 'UNAUTHENTICATED',
  PEER_REVOKED: 'UNAUTHENTICATED',
  AGENT_BANNED: 'PERMISSION_DENIED',
  AGENT_EXPIRED: 'PERMISSION_DENIED',
  AGENT_NOT_ATTESTED: 'PERMISSION_DENIED',
  AGENT_NOT_ACTIVE: 'PERMISSION_DENIED',
  SERVER_RESTORED: 'PERMISSION_DENIED',
  TOKEN_INVALID: 'PERMISSION_DENIED',
  ATTESTATION_REFUSED: 'PERMISSION_DENIED',
  ATTESTED_BEFORE: 'PERMISSION_DENIED',
  KEY_DENIED: 'PERMISSION_DENIED',
  KEY_UNPROVEN: 'PERMISSION_DENIED',
  TARGET_DISABLED: 'PERMISSION_DENIED',
  BOOTSTRAP_PIN_MISMATCH: 'PERMISSION_DENIED',
  PROCESS_GONE: 'PERMISSION_DENIED',
  FACTS_CHANGED: 'PERMISSION_DENIED',
  GRANT_DENIED: 'PERMISSION_DENIED',
  INTENT_OUTSIDE_ROLE: 'PERMISSION_DENIED',
  APPROVAL_INVALID: 'PERMISSION_DENIED',
  BINDING_TOO_WEAK: 'PERMISSION_DENIED',
  NOT_IN_BINDING: 'PERMISSION_DENIED',
  // state
  NOT_FOUND: 'NOT_FOUND',
  ALREADY_EXISTS: 'ALREADY_EXISTS',
  EXPECTATION_FAILED: 'FAILED_PRECONDITION',
  PRECONDITION_FAILED: 'FAILED_PRECONDITION',
  NO_ACTIVE_AUTHORITY: 'FAILED_PRECONDITION',
  BUNDLE_UNKNOWN: 'FAILED_PRECONDITION',
  ROLE_UNKNOWN: 'NOT_FOUND',
  OWNER_MISSING: 'FAILED_PRECONDITION',
  GRANT_STATE: 'FAILED_PRECONDITION',
  GRANT_ENDED: 'FAILED_PRECONDITION',
  GRANT_LAPSED: 'FAILED_PRECONDITION',
  BUDGET_SPENT: 'RESOURCE_EXHAUSTED',
  AUTHORITY_STATE: 'FAILED_PRECONDITION',
  UPSTREAM_INVALID: 'FAILED_PRECONDITION',
  UPSTREAM_CRL_MISSING: 'FAILED_PRECONDITION',
  KEY_STORE_REFUSED: 'FAILED_PRECONDITION',
  KEY_STORE_UNAVAILABLE: 'UNAVAILABLE',
  STORE_NEWER: 'FAILED_PRECONDITION',
  STORE_LOCKED: 'FAILED_PRECONDITION',
  STORE_CORRUPT: 'DATA_LOSS',
  STORE_UNWRITABLE: 'UNAVAILABLE',
  CLOCK_JUMPED: 'FAILED_PRECONDITION',
  SERVER_ROLLED_BACK: 'FAILED_PRECONDITION',
  BACKUP_INVALID: 'FAILED_PRECONDITION',
  RELAY_CIRCLE: 'FAILED_PRECONDITION',
  RELOAD_FAILED: 'FAILED_PRECONDITION',
  VERSION_UNSUPPORTED: 'FAILED_PRECONDITION',
  // bounds and machinery
  LIMIT_EXCEEDED: 'RESOURCE_EXHAUSTED',
  DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
  CANCELLED: 'CANCELLED',
  SOCKET_IN_USE: 'FAILED_PRECONDITION',
  UNIMPLEMENTED: 'UNIMPLEMENTED',
  RESPONSE_INVALID: 'INTERNAL',
  UNAVAILABLE: 'UNAVAILABLE',
  SHUTTING_DOWN: 'UNAVAILABLE',
  LINT_FAILED: 'INTERNAL',
  PLATFORM_UNSUPPORTED: 'FAILED_PRECONDITION',
  INTERNAL: 'INTERNAL',
} as const

export type ErrorCode = keyof typeof errorCodes
export type RpcStatusName = (typeof errorCodes)[ErrorCode]

export interface MayflyErrorOptions {
  /** What a person can do about it: one line, lower case, no full stop. Goes over the wire. */
  readonly hint?: string
  /** The failure beneath. Goes to the log, never over the wire. */
  readonly cause?: unknown
  /** Facts for machines; go over the wire, so no secrets. */
  readonly details?: Readonly<Record<string, string | number | boolean>>
}

export class MayflyError extends Error {
  override readonly name = 'MayflyError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, string | number | boolean>>

  /** `message`: one line, lower case, no full stop. */
  constructor(code: ErrorCode, message: string, options: MayflyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details ?? {}
  }

  /** The gRPC status that this code travels as. */
  get status(): RpcStatusName {
    return errorCodes[this.code]
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCodes, text)
}

/** What was thrown, as an error of ours: itself when it is one, else INTERNAL with this message. */
export function asMayflyError(error: unknown, message: string): MayflyError {
  return error instanceof MayflyError ? error : new MayflyError('INTERNAL', message, { cause: error })
}
