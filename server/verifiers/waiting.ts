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
  readonly unsigned: number
}

const tellEveryMs = 100

/** @param sinceMs time since that point was committed */
export function progressOf(all: readonly Verifier[], epoch: number, seq: number, sinceMs: number): Progress {
  const signed = all.filter((verifier) => !verifier.unsigned)
  const by = Map.groupBy(signed, (verifier) => coverageOf(verifier, epoch, seq, sinceMs, stalenessLimitMs))
  const count = (name: 'receipted' | 'waiting'): number => by.get(name)?.length ?? 0
  return { verifiers: signed.length, receipted: count('receipted'), waiting: count('waiting'), pastLimit: by.get('past_limit') ?? [], uncovered: by.get('uncovered') ?? [], unsigned: all.length - signed.length }
}

/** Tells how far it is, again when that changed, until nobody is waited for any more: each verifier has sent its receipt, or its limit has passed. */
export async function* waitFor(epoch: number, seq: number, registry: VerifierRegistry, clock: Clock, signal: AbortSignal): AsyncGenerator<Progress, void, undefined> {
  const committedBootMs = registry.spread.committedBootMs(seq) ?? clock.bootMs()
  let told: number | undefined
  for (;;) {
    const progress = progressOf(registry.all, epoch, seq, clock.bootMs() - committedBootMs)
    const sum = progress.receipted + progress.waiting * 1_000_000
    if (sum !== told || progress.waiting === 0) yield progress
    if (progress.waiting === 0) return
    told = sum
    await clock.sleep(tellEveryMs, signal)
  }
}
