import { equalBytes } from '../bytes.ts'
import type { ReaderTime } from './freshness.ts'

/** Between which moments the signer's wall clock lies. */
export interface SignerTime {
  readonly leastMs: number
  readonly mostMs: number
}

/** An answer that took longer says too little of the time. */
const longestAnswerMs = 5_000
/** A measurement this old is no longer relied on: either clock may have been set since. */
export const measurementLifeMs = 300_000

/**
 * What a reader knows of the signer's wall clock: a nonce that it sent came back signed with a time, so that time lies between the sending and the receipt, as this
 * machine's time since boot counts them. Whoever delays the nonce or the answer only widens the interval to the side that makes the reader staler.
 */
export class SignerClock {
  #asked: { readonly nonce: Uint8Array; readonly bootMs: number } | undefined
  /** When the first request was sent that nobody has answered since. */
  #unansweredBootMs: number | undefined
  #measured: { readonly signedAtMs: number; readonly sentBootMs: number; readonly receivedBootMs: number } | undefined

  /** @param nonce of the request that is sent now; only the newest is waited for */
  asks(nonce: Uint8Array, bootMs: number): void {
    this.#asked = { nonce, bootMs }
    this.#unansweredBootMs ??= bootMs
  }

  /** Takes a signed answer. False when it is none to the request, or came too late. */
  answered(nonces: readonly Uint8Array[], signedAtMs: number, bootMs: number): boolean {
    const asked = this.#asked
    if (asked === undefined || !nonces.some((nonce) => equalBytes(nonce, asked.nonce))) return false
    this.#asked = undefined
    if (bootMs - asked.bootMs > longestAnswerMs) return false
    this.#unansweredBootMs = undefined
    this.#measured = { signedAtMs, sentBootMs: asked.bootMs, receivedBootMs: bootMs }
    return true
  }

  /** Whether the reader asks, is not answered in time, and no earlier measurement serves: whoever passes the stream on may be holding the answers back. */
  isWithheld(time: ReaderTime): boolean {
    return this.at(time) === undefined && this.#unansweredBootMs !== undefined && time.bootMs - this.#unansweredBootMs > longestAnswerMs
  }

  /** The signer's time now; unset when it was not measured of late. */
  at({ bootMs }: ReaderTime): SignerTime | undefined {
    const measured = this.#measured
    if (measured === undefined || bootMs - measured.receivedBootMs > measurementLifeMs) return undefined
    return { leastMs: measured.signedAtMs + bootMs - measured.receivedBootMs, mostMs: measured.signedAtMs + bootMs - measured.sentBootMs }
  }
}
