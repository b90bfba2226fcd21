import type { Entry } from '../../src/core/entry.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Attestation } from '../attest/attestation.ts'
import type { Readiness, SvidCache } from '../rotation/svid-cache.ts'
import type { WorkloadSvid } from '../rotation/workload-svid.ts'
import type { EntryCache } from '../sync/entry-cache.ts'

/** An identity that may be given out now. */
export interface Identity {
  readonly svid: WorkloadSvid
  /** Unique among those of one response, or empty (WH-02). */
  readonly hint: string
}

/** Which identities a process has, oldest entry first: the first is its default (WH-01). */
export class Identities {
  readonly #entries: EntryCache
  readonly #svids: SvidCache
  readonly #clock: Clock

  constructor(entries: EntryCache, svids: SvidCache, clock: Clock) {
    this.#entries = entries
    this.#svids = svids
    this.#clock = clock
  }

  /** @throws {MayflyError} NO_IDENTITY */
  entriesOf(attestation: Attestation): readonly Entry[] {
    const entries = this.#entries.match(attestation.facts, this.#clock.nowMs())
    if (entries.length === 0) throw noIdentity(attestation)
    return entries
  }

  /** Whether any of these entries is one that the process has. */
  concerns(ids: ReadonlySet<string>, attestation: Attestation): boolean {
    return this.#entries.match(attestation.facts, this.#clock.nowMs()).some(({ id }) => ids.has(id))
  }

  /**
   * Has SVIDs signed for those entries that have none. Resolves at once, without giving way, when all have one.
   * @returns the entries that cannot be had and why
   */
  async prepare(entries: readonly Entry[], signal: AbortSignal): Promise<ReadonlyMap<string, Readiness>> {
    const lacking = entries.filter(({ id }) => this.#svids.current(id) === undefined)
    const readiness = await Promise.all(lacking.map(async ({ id }) => [id, await this.#svids.ready(id, signal)] as const))
    return new Map(readiness)
  }

  /**
   * What may be given out at this moment. An identity that the server refuses to sign is left out; one that cannot be had just now is
   * too, unless it is the default: no other takes its place.
   * @throws {MayflyError} NO_IDENTITY, UNAVAILABLE
   */
  present(entries: readonly Entry[], failures: ReadonlyMap<string, Readiness>, attestation: Attestation): readonly Identity[] {
    const identities: Identity[] = []
    const hints = new Set<string>()
    for (const { id, hint } of entries) {
      const svid = this.#svids.current(id)
      if (svid === undefined) {
        const failure = failures.get(id)
        const isRefused = failure?.kind === 'unknown' || (failure?.kind === 'failed' && failure.refused)
        if (!isRefused && identities.length === 0) throw unavailable(failure)
        continue
      }
      identities.push({ svid, hint: hints.has(hint) ? '' : hint })
      hints.add(hint)
    }
    if (identities.length === 0) throw noIdentity(attestation)
    return identities
  }
}

function noIdentity({ pid, uid }: Attestation): MayflyError {
  return new MayflyError('NO_IDENTITY', `no identity issued: no entry matches process ${pid} of uid ${uid}`, { hint: `mayfly why ${pid} shows which entry comes nearest` })
}

function unavailable(failure: Readiness | undefined): MayflyError {
  const cause = failure?.kind === 'failed' ? failure.error : undefined
  return new MayflyError('UNAVAILABLE', `no SVID can be had now: ${cause?.message ?? 'it is being signed'}`, cause === undefined ? {} : { cause })
}
