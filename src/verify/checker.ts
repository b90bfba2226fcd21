import type { ChainFacts, CheckOutcome } from '../core/revocation/check.ts'
import type { Freshness, StalenessClass } from '../core/revocation/freshness.ts'

/** What knows revocations, and how fresh it is: a `RevocationFeed`, or the server's own set. */
export interface RevocationChecker {
  check(facts: ChainFacts): CheckOutcome
  /** Unset when nothing was received yet. */
  freshness(): Freshness | undefined
  /** The class of this verifier, which a check may tighten and not loosen: what `revoke --wait` was told. `available` when unset. */
  readonly class?: StalenessClass | undefined
  /** A check has accepted the credential with this serial; for the record of where it was used. It must not throw. */
  noteUse?(serial: Uint8Array): void
  /** A check has refused the credential with this serial because it was superseded or revoked: whoever shows it may have copied it. It must not throw. */
  noteRefusal?(serial: Uint8Array): void
}

/** In place of a checker: whoever verifies accepts revoked identities until they expire, and says so in the code. */
export const revocationUnchecked: unique symbol = Symbol('revocation is not checked')
