import type { AgentMessage } from '../../proto/generated/mayfly/v1/AgentMessage.ts'
import type { ProofOfLife } from '../../proto/generated/mayfly/v1/ProofOfLife.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Notifier } from '../notifier.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import { Wake } from '../wake.ts'
import { EndedReports } from './ended-reports.ts'
import { shownHead } from './shown-head.ts'
import type { Trust } from './trust.ts'
import { bufferOf, positionToWire } from './wire.ts'

/** Which grants live on this node, whenever that is to be said. */
export interface SignsOfLife {
  /** What to say now, once; `undefined` while nothing is due. */
  next(): ProofOfLife | undefined
  /** There is something to say. */
  readonly due: Notifier<void>
  /** The server knows nothing yet of what was said. */
  reconnected(): void
}

export interface OutboxDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly relay: RevocationRelay
  readonly trust: Trust
  readonly reports: VerifierReports
  readonly life: SignsOfLife
}

const maxEndedSerials = 50_000
const maxReportSerials = 5_000
/** Between two messages with reports of verifiers: what comes together is sent together. */
const reportGapMs = 20

/** What the agent has to tell its server, kept until it is told. */
export class Outbox {
  readonly #deps: OutboxDeps
  readonly #agentVersion: string
  readonly #wake = new Wake()
  readonly #ended = new EndedReports(maxEndedSerials)
  #ackDue = false

  constructor(agentVersion: string, deps: OutboxDeps) {
    this.#agentVersion = agentVersion
    this.#deps = deps
  }

  /** All that came is taken in. */
  acknowledge(): void {
    this.#ackDue = true
    this.#wake.ring()
  }

  /** The keys of these serials are gone. */
  ended(serials: readonly Uint8Array[]): void {
    const dropped = this.#ended.add(serials)
    if (dropped > 0) this.#deps.log.warn({ event: 'ended.dropped', serials: dropped }, 'too many ended credentials wait for the server: the oldest are left to expire')
    this.#wake.ring()
  }

  endedAccepted(reportId: number): void {
    this.#ended.accepted(reportId)
    this.#wake.ring()
  }

  /** A new connection: what was not accepted is said again. */
  reconnected(): void {
    this.#ended.reconnected()
    this.#deps.reports.reconnected()
    this.#deps.life.reconnected()
  }

  /** The messages of one connection, as they become due. @param svidChain what the agent shows of itself there */
  async *messages(svidChain: readonly Uint8Array[], signal: AbortSignal): AsyncGenerator<AgentMessage, void, undefined> {
    const { relay, trust, reports, clock, life } = this.#deps
    using _reports = reports.changed.on(() => this.#wake.ring())
    using _life = life.due.on(() => this.#wake.ring())
    yield { hello: { agentVersion: this.#agentVersion, position: positionToWire(relay.reader.position), ...shownHead(relay.newest, svidChain) } }
    while (!signal.aborted) {
      const alive = life.next()
      if (alive !== undefined) {
        yield { alive }
        continue
      }
      if (this.#ackDue) {
        this.#ackDue = false
        const { epoch, seq } = relay.reader.position
        yield { ack: { bundleSequence: Number(trust.bundle.sequence ?? 0n), epoch, seq } }
        continue
      }
      const report = this.#ended.next(maxReportSerials)
      if (report !== undefined) {
        yield { ended: { reportId: report.reportId, serials: report.serials.map(bufferOf) } }
        continue
      }
      const verifiers = reports.next()
      if (verifiers !== undefined) {
        yield { verifiers }
        await clock.sleep(reportGapMs, signal).catch(() => undefined) // only aborts
        continue
      }
      await this.#wake.heard(signal).catch(() => undefined) // only aborts
    }
  }
}
