import type { Grant } from '../../src/core/grant/grant.ts'
import { segmentsOf } from '../../src/core/spiffe-id.ts'
import type { Credential, CredentialUse } from '../store/port.ts'

/** A task that still shows what was replaced so long ago does not know its own renewals, or it is not the task. */
const knowsRenewalMs = 60_000
/** By then a credential that was replaced is superseded everywhere (invariant 5), and whoever was given the next uses that. */
const replacedMs = 10_000
/** What the task itself may do with a credential that was taken from it: a verifier of class `standard` may accept for 15 s more, and its clock may differ. */
const takenMs = 60_000
/** Credentials of grants that are remembered after they were replaced or ended. */
const maxRetired = 50_000

/**
 * What reports of verifiers can tell of a copied credential: they name the serial, not who showed it. A use of a credential after it was replaced or ended, by the verifier's
 * time, is by somebody who was not given the next one. Remembered in memory, newest first to stay.
 */
export class SecondUse {
  readonly #retired = new Map<string, { readonly grantId: string; readonly untilMs: number }>()
  readonly #current = new Map<string, string>()

  /** The grant as it is now. @param nowMs by the wall clock, as verifiers have it */
  follow(grant: Grant, nowMs: number): void {
    const before = this.#current.get(grant.id)
    if (before !== undefined && before !== grant.serial) this.#retire(before, grant.id, nowMs + (grant.serial === '' ? takenMs : replacedMs))
    if (grant.serial === '') this.#current.delete(grant.id)
    else this.#current.set(grant.id, grant.serial)
  }

  /** Those of the uses that are of a credential which had been replaced or taken for longer than any delay. */
  suspicious(uses: readonly CredentialUse[]): readonly { readonly grantId: string; readonly use: CredentialUse }[] {
    return uses.flatMap((use) => {
      const retired = this.#retired.get(use.serial)
      return retired !== undefined && use.lastMs > retired.untilMs ? [{ grantId: retired.grantId, use }] : []
    })
  }

  #retire(serial: string, grantId: string, untilMs: number): void {
    if (this.#retired.size >= maxRetired) for (const oldest of this.#retired.keys()) { this.#retired.delete(oldest); break }
    this.#retired.set(serial, { grantId, untilMs })
  }
}

/**
 * The grant whose credential somebody showed long after it had been replaced, and was refused; `undefined` when that may have been its own task. One that was taken, by a suspension or an
 * end, its task may go on showing for as long as it likes.
 */
export function grantCopiedBy({ kind, spiffeId, state, endedAtMs = 0 }: Pick<Credential, 'kind' | 'spiffeId' | 'state' | 'endedAtMs'>, { lastMs }: Pick<CredentialUse, 'lastMs'>): string | undefined {
  return kind === 'grant' && state === 'superseded' && lastMs > endedAtMs + knowsRenewalMs ? segmentsOf(spiffeId).at(-1) : undefined
}
