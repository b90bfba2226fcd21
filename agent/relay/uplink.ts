import type { RelayedReports } from '../../proto/generated/mayfly/v1/RelayedReports.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { RevocationChannel } from '../../src/client/revocation-channel.ts'
import type { Notifier } from '../notifier.ts'
import { Wake } from '../wake.ts'
import type { VerifierReports } from './verifier-reports.ts'

export interface ReportUplinkDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly upstreams: { readonly current: { readonly name: string; readonly channel: Pick<RevocationChannel, 'relayed'> }; readonly changed: Pick<Notifier<void>, 'on'> }
  readonly reports: VerifierReports
}

/** Agents take messages of 64 KiB. */
const maxMessageBytes = 48_000
/** What comes together is sent together. */
const gapMs = 20
const firstRetryMs = 250
const longestRetryMs = 10_000

/** Sends the reports of this relay's verifiers to whoever the stream is read from, until the signal aborts: over a new connection, all of them again. */
export async function sendReports({ clock, random, log, upstreams, reports }: ReportUplinkDeps, signal: AbortSignal): Promise<void> {
  let retryMs = firstRetryMs
  while (!signal.aborted) {
    const startedBootMs = clock.bootMs()
    const left = new AbortController()
    const ended = new AbortController() // what is to be sent waits no longer than its connection, or it would take what is for the next
    const over = AbortSignal.any([signal, left.signal, ended.signal])
    const upstream = upstreams.current
    try {
      using _ = upstreams.changed.on(() => left.abort(new MayflyError('UNAVAILABLE', 'the stream is read from another upstream')))
      reports.reconnected()
      for await (const { instance, refused } of upstream.channel.relayed(messages(reports, clock, over), over)) reports.refused(instance, refused)
    } catch (error) {
      if (!over.aborted) log.warn({ event: 'relay.unreported', upstream: upstream.name, error: String(error) }, 'the reports of verifiers cannot be sent on')
    } finally {
      ended.abort()
    }
    if (left.signal.aborted) continue
    retryMs = clock.bootMs() - startedBootMs > longestRetryMs ? firstRetryMs : Math.min(retryMs * 2, longestRetryMs)
    await clock.sleep(retryMs * (0.5 + (random.bytes(1)[0] ?? 0) / 255), signal).catch(() => undefined) // only aborts
  }
}

async function* messages(reports: VerifierReports, clock: Clock, signal: AbortSignal): AsyncGenerator<RelayedReports, void, undefined> {
  const wake = new Wake()
  using _ = reports.changed.on(() => wake.ring())
  while (!signal.aborted) {
    const message = reports.next(maxMessageBytes)
    if (message === undefined) await wake.heard(signal).catch(() => undefined) // only aborts
    else {
      yield message
      await clock.sleep(gapMs, signal).catch(() => undefined) // only aborts
    }
  }
}
