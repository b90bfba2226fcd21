import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'

/** What the library takes from outside; `index.ts` fills in the real ones. */
export interface ClientDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** The environment, for `SPIFFE_ENDPOINT_SOCKET`. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A log that goes nowhere: a library does not write unless it is told where to. */
export const quiet: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
