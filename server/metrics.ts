import type { HostAndPort } from '../src/config/fields.ts'
import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { RpcServerDeps } from '../src/rpc/server.ts'
import { callObserver, countedLogger, measureListener, measureProcess } from '../src/metrics/common.ts'
import { Meter } from '../src/metrics/meter.ts'
import { MetricsHttp } from '../src/metrics/metrics-http.ts'
import { serverCatalogue } from '../src/metrics/server-catalogue.ts'
import type { Issuer } from './api/issuance.ts'
import type { AuthoritySet } from './ca/authorities.ts'
import { rootsNotAfterMs } from './ca/upstream/status.ts'
import type { PublishedCrl } from './crl/published-crl.ts'
import type { JournalRecord } from './journal/records.ts'
import { readiness } from './readiness.ts'
import type { Registry } from './registry/registry.ts'
import type { RevocationStream } from './revocation/stream.ts'
import type { StoreHealth } from './store-health.ts'
import type { Store } from './store/port.ts'
import type { VerifierRegistry } from './verifiers/registry.ts'

/** The parts of a server that are looked at for each scrape. */
export interface MeasuredParts {
  readonly store: Store
  readonly storeHealth: StoreHealth
  readonly registry: Registry
  readonly authorities: AuthoritySet
  readonly revocations: RevocationStream
  readonly verifiers: VerifierRegistry
  /** Whether somebody knows more of this server's past than it does itself. */
  readonly rolledBack: () => boolean
  /** Proofs of possession that were checked. */
  readonly csrChecks: () => number
  readonly svidNotAfterMs: () => number
  /** Unset while nobody wants lists. */
  readonly crls: () => readonly PublishedCrl[] | undefined
  readonly listeners: Readonly<Record<string, { readonly connections: number; readonly calls: number }>>
}

/** Measures a server from its first step on, and serves what it measured. Only a server that is configured to be measured has one. */
export class ServerMetrics implements AsyncDisposable {
  readonly #clock: Clock
  readonly #meter = new Meter(serverCatalogue)
  readonly #held = new AsyncDisposableStack()

  constructor(deps: { readonly clock: Clock; readonly version: string }) {
    this.#clock = deps.clock
    this.#held.use(measureProcess(this.#meter, deps.clock, deps.version))
  }

  /** The same logger, counted. */
  log(log: Logger): Logger {
    return countedLogger(log, this.#meter)
  }

  /** For the gRPC server behind a listener. */
  calls(listener: string): RpcServerDeps['onEnded'] {
    return callObserver(this.#meter, listener)
  }

  /** The same issuer, measured. */
  issuer(issuer: Issuer): Issuer {
    const meter = this.#meter
    return {
      issue: async (requests, signal) => {
        const startedMs = this.#clock.bootMs()
        const outcomes = await issuer.issue(requests, signal)
        meter.observe('mayfly_server_issuance_seconds', (this.#clock.bootMs() - startedMs) / 1_000)
        for (const [at, outcome] of outcomes.entries()) {
          const kind = requests[at]?.kind ?? ''
          if (outcome.kind === 'issued') meter.count('mayfly_server_svids_issued_total', [kind])
          else meter.count('mayfly_server_svids_refused_total', [kind, outcome.code])
        }
        return outcomes
      },
    }
  }

  /** Counts what is committed from now on, and serves. Resolves with `host:port`. @throws {MayflyError} SOCKET_IN_USE */
  async serve(address: HostAndPort, parts: MeasuredParts): Promise<string> {
    const { store, verifiers, revocations } = parts
    const meter = this.#meter
    this.#held.use(store.journal.onCommit(({ records }) => {
      for (const { record } of records) this.#committed(record)
    }))
    this.#held.use(verifiers.spread.onReceipt((delayMs) => meter.observe('mayfly_server_receipt_delay_seconds', delayMs / 1_000)))
    for (const [listener, server] of Object.entries(parts.listeners)) measureListener(meter, listener, server)
    const stop = new AbortController()
    let framedBootMs = this.#clock.bootMs()
    const following = follow(revocations, stop.signal, () => (framedBootMs = this.#clock.bootMs()))
    this.#held.defer(async () => {
      stop.abort()
      await following
    })
    meter.onScrape(async () => this.#scrape(parts))
    meter.onScrape(() => meter.set('mayfly_server_stream_age_seconds', (this.#clock.bootMs() - framedBootMs) / 1_000))
    const ready = readiness(parts, this.#clock)
    meter.onScrape(async () => meter.set('mayfly_ready', (await ready()).every(({ ok }) => ok) ? 1 : 0))
    const http = this.#held.use(await MetricsHttp.start(address, { metrics: () => meter.text(), ready }))
    return http.address
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync()
  }

  #committed(record: JournalRecord): void {
    const meter = this.#meter
    meter.count('mayfly_server_journal_records_total', [record.kind])
    if (record.kind === 'agent.attested') meter.count('mayfly_server_attestations_total', [record.attestationType])
    else if (record.kind === 'entries.created' || record.kind === 'entries.updated') meter.count('mayfly_server_entry_changes_total', [record.kind.slice('entries.'.length)], record.entries.length)
    else if (record.kind === 'entries.deleted') meter.count('mayfly_server_entry_changes_total', ['deleted'], record.ids.length)
    else if (record.kind === 'credentials.ended' && record.bit === 'revoked') meter.count('mayfly_server_credentials_revoked_total', [record.cause], record.serials.length)
    else if (record.kind === 'credentials.ended') meter.count('mayfly_server_credentials_superseded_total', [], record.serials.length)
  }

  async #scrape({ store, registry, authorities, revocations, verifiers, csrChecks, svidNotAfterMs, crls }: MeasuredParts): Promise<void> {
    const meter = this.#meter
    const nowMs = this.#clock.nowMs()
    meter.set('mayfly_server_csr_checks_total', csrChecks())
    meter.set('mayfly_server_entries', registry.entries.size)
    meter.set('mayfly_server_agents', registry.agents.size)
    meter.set('mayfly_server_agents_connected', registry.subscribers.connected)
    meter.set('mayfly_server_svid_not_after_seconds', svidNotAfterMs() / 1_000)
    meter.set('mayfly_server_stream_epoch', revocations.head.epoch)
    meter.set('mayfly_server_stream_seq', revocations.head.seq)
    const { subscribers, bitmapBytes } = revocations.figures
    meter.set('mayfly_server_stream_subscribers', Math.max(0, subscribers - 1)) // this one itself
    meter.set('mayfly_server_stream_set_bytes', bitmapBytes)
    this.#verifiers(verifiers)
    const upstream = authorities.upstream()
    if (upstream !== undefined) meter.set('mayfly_server_upstream_not_after_seconds', Math.min(upstream.certificate.notAfterMs, rootsNotAfterMs(upstream)) / 1_000)
    meter.clear('mayfly_server_authority_not_after_seconds')
    for (const { id, state, notAfterMs } of authorities.all()) meter.set('mayfly_server_authority_not_after_seconds', notAfterMs / 1_000, [id.slice(0, 16), state])
    meter.clear('mayfly_server_crl_age_seconds')
    meter.clear('mayfly_server_crl_entries')
    for (const { authorityId, thisUpdateMs, entries } of crls() ?? []) {
      meter.set('mayfly_server_crl_age_seconds', Math.max(0, nowMs - thisUpdateMs) / 1_000, [authorityId.slice(0, 16)])
      meter.set('mayfly_server_crl_entries', entries, [authorityId.slice(0, 16)])
    }
    meter.set('mayfly_server_store_queue', store.journal.waiting())
    const [head, figures, live] = await Promise.all([store.journal.head(), store.journal.figures(), store.credentials.count({ liveAtMs: nowMs })])
    meter.set('mayfly_server_journal_seq', head.seq)
    meter.set('mayfly_server_store_commits_total', figures.commits)
    meter.set('mayfly_server_store_transactions_total', figures.transactions)
    meter.set('mayfly_server_store_bytes', figures.fileBytes)
    meter.set('mayfly_server_credentials_live', live)
  }

  #verifiers(verifiers: VerifierRegistry): void {
    const meter = this.#meter
    const { all, relied, head, unregistered } = verifiers
    const byClass = { strict: 0, standard: 0, available: 0 }
    for (const { registered } of relied) byClass[registered.class]++
    for (const [wanted, count] of Object.entries(byClass)) meter.set('mayfly_server_verifiers', count, [wanted])
    meter.set('mayfly_server_verifiers_behind', relied.filter(({ epoch, seq }) => epoch < head.epoch || (epoch === head.epoch && seq < head.seq)).length)
    meter.set('mayfly_server_verifiers_uncovered', unregistered + all.length - relied.length)
    meter.set('mayfly_server_verifiers_differing', all.filter(({ stateDiffers }) => stateDiffers).length)
  }
}

/** Reads the stream as any verifier would: only what really left counts. */
async function follow(revocations: RevocationStream, signal: AbortSignal, onFrame: () => void): Promise<void> {
  try {
    for await (const _ of revocations.watch(revocations.head, signal)) onFrame()
  } catch {
    return // only aborts; if it were anything else, the age would say so
  }
}
