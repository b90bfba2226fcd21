import type { QuotaTerms } from '../src/rpc/quota.ts'

/** How much one caller may ask for in a second; all that can be saved up is a multiple of it. */
export interface ServerLimits {
  /** Attempts to attest, by address: a guess at a token costs a wait. */
  readonly attestationsPerSecond: number
  /** Renewals of an agent's own SVID. */
  readonly renewalsPerSecond: number
  /** SVIDs that an agent has signed for its workloads: far above what a node needs, and below what would starve the others. */
  readonly signaturesPerSecond: number
  /** Entries that a caller creates, updates or deletes. */
  readonly entriesPerSecond: number
  /** Calls, and messages on an agent's stream. */
  readonly messagesPerSecond: number
  /** Reports of leaked keys, by address: each is a signature to check. */
  readonly leakReportsPerSecond: number
  /** Requests for grants that an agent passes on: each is policy asked twice, and a record for good. */
  readonly grantRequestsPerSecond: number
}

/** How many seconds' worth may be saved up. */
const burstSeconds: { readonly [K in keyof ServerLimits]: number } = {
  attestationsPerSecond: 10,
  renewalsPerSecond: 30,
  signaturesPerSecond: 2,
  entriesPerSecond: 2,
  messagesPerSecond: 2,
  leakReportsPerSecond: 4,
  grantRequestsPerSecond: 4,
}

/** Terms that follow the configuration while it changes. */
export function termsOf(limits: () => ServerLimits, what: keyof ServerLimits): QuotaTerms {
  return {
    setting: `limits.${what}`,
    get perSecond() {
      return limits()[what]
    },
    get burst() {
      return limits()[what] * burstSeconds[what]
    },
  }
}
