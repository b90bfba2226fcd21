import type { IssueOutcome, IssueRequest } from '../ca/pipeline.ts'
import type { Issuer } from './issuance.ts'

/** Counts what went through: for `status`, and so that the bench can say how many proofs were checked. */
export class CountedIssuer implements Issuer {
  readonly #issuer: Issuer
  #csrChecks = 0
  #signatures = 0

  constructor(issuer: Issuer) {
    this.#issuer = issuer
  }

  get csrChecks(): number {
    return this.#csrChecks
  }

  get signatures(): number {
    return this.#signatures
  }

  async issue(requests: readonly IssueRequest[], signal: AbortSignal): Promise<readonly IssueOutcome[]> {
    const outcomes = await this.#issuer.issue(requests, signal)
    for (const { key } of requests) if ('csr' in key) this.#csrChecks++
    for (const { kind } of outcomes) if (kind === 'issued') this.#signatures++
    return outcomes
  }
}
