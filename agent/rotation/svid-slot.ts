import type { Entry } from '../../src/core/entry.ts'
import type { MayflyError } from '../../src/core/errors.ts'
import type { Moment } from './moment.ts'
import { isDue } from './schedule.ts'
import type { DueTime } from './schedule.ts'
import type { Standing } from './standing.ts'
import type { WorkloadSvid } from './workload-svid.ts'

/** What the cache has of one entry: its SVID, whoever holds the key, and how signing went. */
export class SvidSlot {
  /** Somebody was given the key. */
  held = false
  /** One attempt at a time, shared by all who ask. */
  signing: Promise<void> | undefined
  retryAtBootMs = 0
  usedAtBootMs: number
  #entry: Entry
  /** An SVID that was asked for at an earlier revision of the entry is to be replaced. */
  #signedFrom: number
  #svid: WorkloadSvid | undefined
  #standing: Standing = 'good'
  #due: DueTime | undefined
  /** Rotated away and perhaps still in a holder's hands. */
  #earlier: WorkloadSvid[] = []
  #failure: MayflyError | undefined
  #failures = 0

  constructor(entry: Entry, { bootMs }: Moment) {
    this.#entry = entry
    this.#signedFrom = entry.revision
    this.usedAtBootMs = bootMs
  }

  get entry(): Entry {
    return this.#entry
  }

  /** As it was signed last, good or not; see {@link usable}. */
  get svid(): WorkloadSvid | undefined {
    return this.#svid
  }

  /** Of {@link svid}. */
  get standing(): Standing {
    return this.#standing
  }

  get due(): DueTime | undefined {
    return this.#due
  }

  /** Why the last attempt came to nothing; unset after one that came to something. */
  get failure(): MayflyError | undefined {
    return this.#failure
  }

  /** How many attempts in a row came to nothing. */
  get failures(): number {
    return this.#failures
  }

  get isWanted(): boolean {
    return this.held || this.#entry.prefetch
  }

  /** What may be given out now. */
  usable(now: Moment): WorkloadSvid | undefined {
    const svid = this.#svid
    return svid === undefined || this.#standing === 'ended' || svid.spiffeId !== this.#entry.spiffeId || svid.isExpired(now) ? undefined : svid
  }

  /** Whether it should be replaced, though it may be good still. */
  isStale(now: Moment): boolean {
    const svid = this.#svid
    return svid === undefined || this.#due === undefined || isDue(this.#due, now) || this.#standing !== 'good' || svid.revision < this.#signedFrom || svid.spiffeId !== this.#entry.spiffeId
  }

  msUntilDue({ nowMs, bootMs }: Moment): number {
    return this.#due === undefined ? 0 : Math.min(this.#due.atMs - nowMs, this.#due.atBootMs - bootMs)
  }

  /** All keys that somebody may have and that live still. */
  live(now: Moment): readonly WorkloadSvid[] {
    return [...this.#earlier, ...(this.#svid === undefined ? [] : [this.#svid])].filter((svid) => !svid.isExpired(now))
  }

  /** The entry is another. */
  follow(entry: Entry): void {
    if (entry.revision !== this.#entry.revision) this.forgetFailures()
    if (!hasSameTerms(entry, this.#entry)) this.#signedFrom = entry.revision
    this.#entry = entry
  }

  take(svid: WorkloadSvid, standing: Standing, due: DueTime, now: Moment): void {
    if (this.#svid !== undefined) this.#earlier = [...this.#earlier.filter((old) => !old.isExpired(now)), this.#svid]
    this.#svid = svid
    this.#standing = standing
    this.#due = due
    this.forgetFailures()
  }

  /** Bundle and revocations say so now. Returns whether that is news. */
  judge(standing: Standing): boolean {
    const isNews = standing !== this.#standing
    this.#standing = standing
    return isNews
  }

  /** The key is no longer given out; its serial is reported with the later ones when the last holder exits, if it lives still. */
  withdraw(now: Moment): void {
    if (this.#svid !== undefined && this.#standing !== 'ended' && !this.#svid.isExpired(now)) this.#earlier.push(this.#svid)
    this.#svid = undefined
    this.#due = undefined
  }

  fail(failure: MayflyError): void {
    this.#failure = failure
    this.#failures++
  }

  forgetFailures(): void {
    this.#failure = undefined
    this.#failures = 0
    this.retryAtBootMs = 0
  }
}

/** A revision that rises alone says that credentials have ended, which this agent knows from the stream. */
function hasSameTerms(left: Entry, right: Entry): boolean {
  return JSON.stringify({ ...left, revision: 0 }) === JSON.stringify({ ...right, revision: 0 })
}
