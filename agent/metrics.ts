import type { HostAndPort } from '../src/config/fields.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { RpcServerDeps } from '../src/rpc/server.ts'
import { agentCatalogue } from '../src/metrics/agent-catalogue.ts'
import { callObserver, countedLogger, measureListener, measureProcess } from '../src/metrics/common.ts'
import { Meter } from '../src/metrics/meter.ts'
import { MetricsHttp } from '../src/metrics/metrics-http.ts'
import type { ReadyCheck } from '../src/metrics/metrics-http.ts'
import type { ProcessHolders } from './liveness/process-holders.ts'
import type { RevocationRelay } from './relay/revocation-relay.ts'
import type { SvidCache } from './rotation/svid-cache.ts'
import type { ServerConnection } from './sync/connection.ts'
import type { CrlFeed } from './sync/crl-feed.ts'
import type { EntryCache } from './sync/entry-cache.ts'
import type { Trust } from './sync/trust.ts'

/** The parts of an agent that are looked at for each scrape. */
export interface MeasuredParts {
  readonly entries: EntryCache
  readonly relay: RevocationRelay
  readonly isSynced: () => boolean
  /** Unset before it has joined. */
  readonly member: () => { readonly trust: Trust; readonly connection: ServerConnection; readonly svids: SvidCache; readonly holders: ProcessHolders; readonly crls: CrlFeed } | undefined
  readonly workloads: { readonly connections: number; readonly calls: number }
}

/** Measures an agent from its first step on, and serves what it measured. Only an agent that is configured to be measured has one. */
export class AgentMetrics implements AsyncDisposable {
  readonly #clock: Clock
  readonly #meter = new Meter(agentCatalogue)
  readonly #held = new AsyncDisposableStack()

  constructor(deps: { readonly clock: Clock; readonly version: string }) {
    this.#clock = deps.clock
    this.#held.use(measureProcess(this.#meter, deps.clock, deps.version))
  }

  /** The same logger, counted; what only the log tells is counted by its code. */
  log(log: Logger): Logger {
    return countedLogger(log, this.#meter, (fact) => {
      if (fact.event === 'svid.received') this.#meter.count('mayfly_agent_svids_received_total')
      else if (fact.event === 'svid.sign_failed') this.#meter.count('mayfly_agent_sign_failures_total', [String(fact['code'])])
      else if (fact.event === 'workload.refused') this.#meter.count('mayfly_agent_workload_refusals_total', [String(fact['code'])])
      else if (fact.event === 'server.connected') this.#meter.count('mayfly_agent_connections_total')
    })
  }

  /** For the gRPC server behind a listener. */
  calls(listener: string): RpcServerDeps['onEnded'] {
    return callObserver(this.#meter, listener)
  }

  /** Resolves with `host:port`. @throws {MayflyError} SOCKET_IN_USE */
  async serve(address: HostAndPort, parts: MeasuredParts): Promise<string> {
    const meter = this.#meter
    measureListener(meter, 'workload', parts.workloads)
    meter.onScrape(() => this.#scrape(parts))
    meter.onScrape(() => meter.set('mayfly_ready', readiness(parts, this.#clock).every(({ ok }) => ok) ? 1 : 0))
    const http = this.#held.use(await MetricsHttp.start(address, { metrics: () => meter.text(), ready: async () => readiness(parts, this.#clock) }))
    return http.address
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync()
  }

  #scrape({ entries, relay, isSynced, member }: MeasuredParts): void {
    const meter = this.#meter
    const { epoch, seq } = relay.reader.position
    meter.set('mayfly_agent_synced', isSynced() ? 1 : 0)
    meter.set('mayfly_agent_entries', entries.all.size)
    meter.set('mayfly_agent_revocation_epoch', epoch)
    meter.set('mayfly_agent_revocation_seq', seq)
    const freshness = relay.reader.freshness()
    if (freshness !== undefined) meter.set('mayfly_agent_revocation_age_seconds', freshness.ageMs / 1_000)
    meter.set('mayfly_agent_revocation_readers', relay.readers)
    meter.set('mayfly_agent_revocation_reader_behind_seconds', relay.slowestReaderMs / 1_000)
    const joined = member()
    meter.set('mayfly_agent_connected', joined?.connection.connectedSinceMs === undefined ? 0 : 1)
    if (joined === undefined) return
    const { trust, connection, svids, holders, crls } = joined
    const held = svids.held()
    meter.set('mayfly_agent_svid_not_after_seconds', connection.svid.notAfterMs / 1_000)
    meter.set('mayfly_agent_svids', held.length)
    meter.clear('mayfly_agent_svids_next_expiry_seconds')
    if (held.length > 0) meter.set('mayfly_agent_svids_next_expiry_seconds', held.reduce((least, { notAfterMs }) => Math.min(least, notAfterMs), Number.POSITIVE_INFINITY) / 1_000)
    meter.set('mayfly_agent_processes', new Set(held.flatMap(({ entryId }) => holders.holdersOf(entryId).map(({ pid }) => pid))).size)
    meter.set('mayfly_agent_authorities', trust.bundle.x509Authorities.length)
    meter.set('mayfly_agent_bundle_sequence', Number(trust.bundle.sequence ?? 0n))
    meter.set('mayfly_agent_crl_lists', crls.lists.length)
  }
}

/** An agent serves what it knows while its server is away: it is ready from its first sync on, for as long as its own SVID lives. */
function readiness({ isSynced, member }: MeasuredParts, clock: Clock): readonly ReadyCheck[] {
  const joined = member()
  if (joined === undefined) return [{ name: 'joined', ok: false, detail: 'it has not joined its server yet' }]
  const { connection } = joined
  const leftMs = connection.svid.notAfterMs - clock.nowMs()
  const connected = connection.connectedSinceMs !== undefined
  return [
    { name: 'joined', ok: true, detail: connection.svid.id },
    { name: 'entries', ok: isSynced(), detail: isSynced() ? 'known' : 'not known yet: no sync since the start' },
    { name: 'svid', ok: leftMs > 0, detail: leftMs > 0 ? `ends in ${Math.round(leftMs / 1_000)} s` : 'has expired: this agent must join anew' },
    { name: 'server', ok: connected || (isSynced() && leftMs > 0), detail: connected ? 'connected' : 'away: what is known is served' },
  ]
}
