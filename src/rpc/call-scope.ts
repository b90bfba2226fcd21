/** What ends a call from this side: the caller's signal, the deadline, or the channel's close. */
export interface CallScope {
  readonly signal: AbortSignal
  onAbort(act: (reason: Error) => void): void
  end(): void
}
