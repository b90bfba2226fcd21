import type { VerifierReport__Output } from '../../proto/generated/mayfly/v1/VerifierReport.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { VerifierReporter, type ReportingIdentity, type SignedReport, type VerifierReporterConfig } from '../../src/verify/reporter.ts'
import { answersWhile } from '../relay/answers.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import type { VerifierReports } from '../relay/verifier-reports.ts'
import type { AgentSvid } from '../sync/agent-svid.ts'

export interface OwnVerifierDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly relay: Pick<RevocationRelay, 'reader' | 'changed'>
  readonly reports: VerifierReports
  /** `undefined` before the agent has joined. */
  readonly svid: () => AgentSvid | undefined
}

/**
 * The agent as a verifier: what it answers to those who ask it is reported as any verifier's checks are, signed with the agent's SVID. It
 * registers at its first yes: an agent that nobody asks is none.
 */
export class OwnVerifier implements AsyncDisposable {
  readonly #config: VerifierReporterConfig
  readonly #deps: OwnVerifierDeps
  #reporter: VerifierReporter | undefined
  #following: Disposable | undefined
  #identity: { readonly of: AgentSvid; readonly identity: ReportingIdentity } | undefined
  #isOver = false

  constructor(config: VerifierReporterConfig, deps: OwnVerifierDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** A check has accepted this credential. @param serial 17 bytes */
  used(serial: Uint8Array): void {
    if (this.#isOver) return
    this.#reporter ??= this.#start()
    this.#reporter.used(serial)
  }

  /** The agent has another SVID. */
  identityChanged(): void {
    this.#reporter?.identityChanged()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    this.#following?.[Symbol.dispose]()
    await this.#reporter?.[Symbol.asyncDispose]()
  }

  #start(): VerifierReporter {
    const { clock, random, log, relay, reports } = this.#deps
    const reporter = VerifierReporter.start(this.#config, {
      clock,
      random,
      logger: log,
      identity: () => this.#identityOf(this.#deps.svid()),
      state: () => relay.reader.state,
      open: (own) => hand(reports, own),
    })
    this.#following = relay.changed.on(() => reporter.moved())
    return reporter
  }

  /** The same object for the same SVID. */
  #identityOf(svid: AgentSvid | undefined): ReportingIdentity | undefined {
    if (svid === undefined) return undefined
    if (this.#identity?.of !== svid) this.#identity = { of: svid, identity: { chain: svid.chain, sign: (bytes) => svid.key.sign(bytes) } }
    return this.#identity.identity
  }
}

/** To what the agent gathers, as a verifier's call would; yields why the registration was refused. */
async function* hand(reports: VerifierReports, own: AsyncIterable<SignedReport>): AsyncGenerator<string, void, undefined> {
  for await (const { refused = '' } of answersWhile(async (tell) => reports.take(wireOf(own), tell))) yield refused
}

async function* wireOf(reports: AsyncIterable<SignedReport>): AsyncGenerator<VerifierReport__Output, void, undefined> {
  const none = { registration: null, receipt: null, uses: null, refusals: null }
  for await (const { kind, body, signature, svidChain } of reports) {
    const signed = { body: Buffer.from(body), signature: Buffer.from(signature) }
    yield kind === 'registration' ? { ...none, report: kind, registration: { ...signed, svidChain: svidChain.map((one) => Buffer.from(one)) } } : { ...none, report: kind, [kind]: signed }
  }
}
