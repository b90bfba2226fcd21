import { nonceBytes } from '../../src/core/revocation/frame.ts'
import { skewOf } from '../../src/core/revocation/freshness.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { RevocationRelay } from './revocation-relay.ts'

export interface MeasureClockDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly relay: RevocationRelay
  /** Whether there is a server to ask yet. */
  readonly canAsk: () => boolean
}

const everyMs = 60_000
const soonMs = 5_000

/** Measures, until the signal aborts, how far the server's clock is from this one, so that the agent knows how old its own state is, and says when the clocks differ. */
export async function measureClock({ clock, random, log, relay, canAsk }: MeasureClockDeps, signal: AbortSignal): Promise<void> {
  let wasSkewed = false
  while (!signal.aborted) {
    const measured = canAsk() && (await relay.measure(random.bytes(nonceBytes)).then(({ kind }) => kind === 'timed', () => false))
    const freshness = relay.reader.freshness()
    const skewMs = freshness === undefined ? undefined : skewOf(freshness)
    if (skewMs !== undefined && !wasSkewed) log.error({ event: 'revocation.clock_skew', skewMs }, 'the clock of this machine differs from that of the server by over a second')
    wasSkewed = skewMs !== undefined
    await clock.sleep(measured && !wasSkewed ? everyMs : soonMs, signal).catch(() => undefined) // only aborts
  }
}
