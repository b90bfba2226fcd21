/** Serials whose keys are gone, until the server has written them down. */
export class EndedReports {
  readonly #maxSerials: number
  #waiting: Uint8Array[] = []
  #sent: { readonly reportId: number; readonly serials: readonly Uint8Array[] } | undefined
  #nextId = 1

  constructor(maxSerials: number) {
    this.#maxSerials = maxSerials
  }

  /** How many were dropped for want of room: the oldest, which expire by themselves first. */
  add(serials: readonly Uint8Array[]): number {
    this.#waiting.push(...serials)
    const excess = Math.max(0, this.#waiting.length - this.#maxSerials)
    this.#waiting.splice(0, excess)
    return excess
  }

  /** What to send now: one report at a time. */
  next(maxSerials: number): { readonly reportId: number; readonly serials: readonly Uint8Array[] } | undefined {
    if (this.#sent !== undefined || this.#waiting.length === 0) return undefined
    this.#sent = { reportId: this.#nextId++, serials: this.#waiting.splice(0, maxSerials) }
    return this.#sent
  }

  accepted(reportId: number): void {
    if (this.#sent?.reportId === reportId) this.#sent = undefined
  }

  /** The connection broke: what was not accepted is sent again. */
  reconnected(): void {
    if (this.#sent === undefined) return
    this.#waiting.unshift(...this.#sent.serials)
    this.#sent = undefined
  }

  get size(): number {
    return this.#waiting.length + (this.#sent?.serials.length ?? 0)
  }
}
