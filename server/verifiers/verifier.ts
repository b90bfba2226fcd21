import type { StalenessClass } from '../../src/core/revocation/freshness.ts'
import type { RegisteredVerifier } from '../store/port.ts'
import type { VerifierKey } from './check.ts'

/** A verifier as the server knows it now. */
export interface Verifier {
  /** As it is written down; of one that is unsigned, as it says. */
  readonly registered: Omit<RegisteredVerifier, 'spiffeId'> & { readonly spiffeId: RegisteredVerifier['spiffeId'] | undefined }
  /** Unset while it has not registered with this run of the server, and for one that is unsigned. */
  readonly key: VerifierKey | undefined
  readonly unsigned: boolean
  /** Of its newest registration or receipt. */
  number: number
  /** Of its newest report of uses or refusals. */
  usesNumber: number
  /** Its newest receipt; zeros before the first. */
  epoch: number
  seq: number
  receiptAtMs: number
  stateDiffers: boolean
  heardBootMs: number
  /** When it first registered: what was revoked before then did not take so long to reach it. -Infinity of one that an earlier run of the server knew. */
  readonly sinceBootMs: number
}

/** How a verifier stands to a point of the stream, so long after that was committed. */
export type Coverage =
  | 'receipted'
  | 'waiting'
  /** It has sent no receipt, and refuses until it is fresh: it cannot be within its limit. */
  | 'past_limit'
  /** It has sent no receipt and may still accept. */
  | 'uncovered'

/** What design 6 promises beyond the limit of a class. */
const toleranceMs = 1_000

/** @param limitMs the limit of each class, and for `available` how long to wait for it */
export function coverageOf(verifier: Pick<Verifier, 'epoch' | 'seq'> & { readonly registered: { readonly class: StalenessClass } }, epoch: number, seq: number, sinceMs: number, limitMs: Readonly<Record<StalenessClass, number>>): Coverage {
  if (verifier.epoch > epoch || (verifier.epoch === epoch && verifier.seq >= seq)) return 'receipted'
  const wanted = verifier.registered.class
  if (sinceMs <= limitMs[wanted] + toleranceMs) return 'waiting'
  return wanted === 'available' ? 'uncovered' : 'past_limit'
}
