/** The part of pino's logger that mayfly uses: facts first, a short text after. Names of events are in `docs/events.md`. */
export interface Logger {
  debug(fact: LogFact, text: string): void
  info(fact: LogFact, text: string): void
  warn(fact: LogFact, text: string): void
  error(fact: LogFact, text: string): void
}

export interface LogFact {
  readonly event: string
  readonly [field: string]: unknown
}
