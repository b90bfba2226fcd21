import { stalenessLimitMs } from '../../src/core/revocation/freshness.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { VerifierRegistry } from './registry.ts'
import { coverageOf, type Verifier } from './verifier.ts'

/** How every registered verifier stands to a point of the stream. */
export interface Progress {
  readonly verifiers: number
  readonly receipted: number
  readonly waiting: number
  readonly pastLimit: readonly Verifier[]
  readonly uncovered: readonly Verifier[]
  /** Whose word does not count: no SVID to sign with, or one that was revoked. */
  readonly unsigned: number
}

const tellEveryMs = 100

/** @param sinceMs time since that point was committed */
function progressOf({ all, relied }: Pick<VerifierRegistry, 'all' | 'relied'>, epoch: number, seq: number, sinceMs: number): Progress {
  const by = Map.groupBy(relied, (verifier) => coverageOf(verifier, epoch, seq, sinceMs, stalenessLimitMs))
  const count = (name: 'receipted' | 'waiting'): number => by.get(name)?.length ?? 0
  return { verifiers: relied.length, receipted: count('receipted'), waiting: count('waiting'), pastLimit: by.get('past_limit') ?? [], uncovered: by.get('uncovered') ?? [], unsigned: all.length - relied.length }
}

/** Tells how far it is, again when that changed, until nobody is waited for any more: each verifier has sent its receipt, or its limit has passed. */
export async function* waitFor(epoch: number, seq: number, registry: VerifierRegistry, clock: Clock, signal: AbortSignal): AsyncGenerator<Progress, void, undefined> {
  const committedBootMs = registry.spread.committedBootMs(seq) ?? clock.bootMs()
  let told: number | undefined
  for (;;) {
    const progress = progressOf(registry, epoch, seq, clock.bootMs() - committedBootMs)
    const sum = progress.receipted + progress.waiting * 1_000_000
    if (sum !== told || progress.waiting === 0) yield progress
    if (progress.waiting === 0) return
    told = sum
    await clock.sleep(tellEveryMs, signal)
  }
}
