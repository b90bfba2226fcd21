import { MayflyError } from '../core/errors.ts'

/** What scripts can count on: docs/cli.md. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 3, denied: 4, unavailable: 5 } as const

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof MayflyError)) return exitCodes.failed
  if (error.code === 'USAGE') return exitCodes.usage
  switch (error.status) {
    case 'NOT_FOUND':
      return exitCodes.notFound
    case 'PERMISSION_DENIED':
    case 'UNAUTHENTICATED':
      return exitCodes.denied
    case 'UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return exitCodes.unavailable
    default:
      return exitCodes.failed
  }
}

/** The two lines of an error; the second only where there is something to do. */
export function describeError(error: unknown): string {
  if (error instanceof MayflyError) return `mayfly: ${error.message}${error.hint === undefined ? '' : `\nhint: ${error.hint}`}`
  const text = error instanceof Error ? error.message : String(error)
  return `mayfly: ${text.split('\n')[0] ?? text}`
}
