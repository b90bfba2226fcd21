import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { Output } from './output.ts'

/** The world as a command sees it; main.ts makes the real one. */
export interface Context {
  readonly output: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly clock: Clock
  readonly random: Random
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal
}
