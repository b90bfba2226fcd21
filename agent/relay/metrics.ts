import type { RelayStatus } from '../../proto/generated/mayfly/v1/RelayStatus.ts'
import type { HostAndPort } from '../../src/config/fields.ts'
import { callObserver, countedLogger, measureListener, measureProcess } from '../../src/metrics/common.ts'
import { Meter } from '../../src/metrics/meter.ts'
import { MetricsHttp } from '../../src/metrics/metrics-http.ts'
import type { ReadyCheck } from '../../src/metrics/metrics-http.ts'
import { relayCatalogue } from '../../src/metrics/relay-catalogue.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { RpcServerDeps } from '../../src/rpc/server.ts'
import { stalenessLimitMs } from '../../src/core/revocation/freshness.ts'

export interface MeasuredRelay {
  readonly load: { readonly connections: number; readonly calls: number }
  status(): RelayStatus
}

/** Measures a relay and serves what it measured. Only a relay that is configured to be measured has one. */
export class RelayMetrics implements AsyncDisposable {
  readonly #meter = new Meter(relayCatalogue)
  readonly #held = new AsyncDisposableStack()

  constructor(deps: { readonly clock: Clock; readonly version: string }) {
    this.#held.use(measureProcess(this.#meter, deps.clock, deps.version))
  }

  /** The same logger, counted. */
  log(log: Logger): Logger {
    return countedLogger(log, this.#meter)
  }

  /** For the gRPC server of the relay. */
  get onEnded(): RpcServerDeps['onEnded'] {
    return callObserver(this.#meter, 'relay')
  }

  /** Resolves with `host:port`. @throws {MayflyError} SOCKET_IN_USE */
  async serve(address: HostAndPort, relay: MeasuredRelay): Promise<string> {
    const meter = this.#meter
    const { load } = relay
    measureListener(meter, 'relay', load)
    meter.onScrape(() => this.#scrape(relay.status()))
    const ready = (): readonly ReadyCheck[] => [readiness(relay.status())]
    meter.onScrape(() => meter.set('mayfly_ready', ready().every(({ ok }) => ok) ? 1 : 0))
    return this.#held.use(await MetricsHttp.start(address, { metrics: () => meter.text(), ready: async () => ready() })).address
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync()
  }

  #scrape({ epoch = 0, seq = 0, ageMs = -1, readers = 0, verifiers = 0, depth = 0, upstreams = [] }: RelayStatus): void {
    const meter = this.#meter
    meter.set('mayfly_relay_revocation_epoch', Number(epoch))
    meter.set('mayfly_relay_revocation_seq', Number(seq))
    if (Number(ageMs) >= 0) meter.set('mayfly_relay_revocation_age_seconds', Number(ageMs) / 1_000)
    meter.set('mayfly_relay_readers', Number(readers))
    meter.set('mayfly_relay_verifiers', Number(verifiers))
    meter.set('mayfly_relay_depth', depth)
    meter.clear('mayfly_relay_upstream_lag_seconds')
    for (const { name = '', connected = false, current = false, lagMs = -1 } of upstreams) {
      meter.set('mayfly_relay_upstream_connected', connected ? 1 : 0, [name])
      meter.set('mayfly_relay_upstream_current', current ? 1 : 0, [name])
      if (Number(lagMs) >= 0) meter.set('mayfly_relay_upstream_lag_seconds', Number(lagMs) / 1_000, [name])
    }
  }
}

/** A relay whose view is older than a standard verifier takes helps nobody: let readers go elsewhere. */
function readiness({ ageMs = -1 }: RelayStatus): ReadyCheck {
  const age = Number(ageMs)
  const ok = age >= 0 && age <= stalenessLimitMs.standard
  return { name: 'stream', ok, detail: age < 0 ? 'nothing received yet' : `known as of ${age} ms ago` }
}
