import { MayflyError } from '../../../src/core/errors.ts'

/** The token may be there again at the next attempt, or with another session. */
const passing = new Set([
  'CKR_SESSION_HANDLE_INVALID', 'CKR_SESSION_CLOSED', 'CKR_SESSION_COUNT', 'CKR_DEVICE_REMOVED', 'CKR_DEVICE_ERROR', 'CKR_TOKEN_NOT_PRESENT', 'CKR_TOKEN_NOT_RECOGNIZED', 'CKR_SLOT_ID_INVALID',
  'CKR_USER_NOT_LOGGED_IN', 'CKR_KEY_HANDLE_INVALID', 'CKR_OBJECT_HANDLE_INVALID', 'CKR_CRYPTOKI_NOT_INITIALIZED', 'CKR_GENERAL_ERROR', 'CKR_FUNCTION_FAILED', 'CKR_OPERATION_ACTIVE',
])

const pinProblems: Readonly<Record<string, string>> = {
  CKR_PIN_INCORRECT: 'the PIN is wrong',
  CKR_PIN_INVALID: 'the PIN has a form that it does not take',
  CKR_PIN_LEN_RANGE: 'the PIN is too short or too long',
  CKR_PIN_EXPIRED: 'the PIN has expired',
  CKR_PIN_LOCKED: 'the PIN is locked',
  CKR_USER_PIN_NOT_INITIALIZED: 'it has no user PIN yet',
}

/** The PKCS#11 name of what went wrong, as the module gave it; '' for another error. */
export function returnValueOf(error: unknown): string {
  return error instanceof Error && /^CKR_[A-Z0-9_]{1,60}$/.test(error.message) ? error.message : ''
}

/** Whether another session may do it. */
export function isPassing(error: unknown): boolean {
  return passing.has(returnValueOf(error))
}

/** What an error of the module amounts to. Nothing of it quotes a PIN. */
export function tokenError(error: unknown, what: string): MayflyError {
  if (error instanceof MayflyError) return error
  const name = returnValueOf(error)
  const pin = pinProblems[name]
  if (pin !== undefined) return new MayflyError('KEY_STORE_REFUSED', `the token refuses: ${pin}`, { cause: name, hint: 'mend ca.pkcs11.pinFile or the variable that ca.pkcs11.pinEnv names, and start the server again: it tries a wrong PIN once, because tokens lock' })
  if (passing.has(name)) return new MayflyError('KEY_STORE_UNAVAILABLE', `the token cannot ${what} now`, { cause: name, hint: 'is it there, and does its module reach it?' })
  return new MayflyError('KEY_STORE_REFUSED', `the token cannot ${what}${name === '' ? '' : ` (${name})`}`, { cause: name === '' ? error : name, hint: 'docs/keys.md says what a token must be able to do' })
}
