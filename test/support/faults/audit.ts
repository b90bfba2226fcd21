import { join } from 'node:path'
import { stalenessLimitMs, type StalenessClass } from '../../../src/core/revocation/freshness.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { elapsedMs } from '../../bench/machine.ts'
import { mint, type Minted } from '../product/mint.ts'
import { node24, Program, type JsonLine } from '../product/process.ts'
import { Product, type AgentProcess, type ProductOptions, type Surroundings } from '../product/product.ts'

export const classes: readonly StalenessClass[] = ['strict', 'standard', 'available']
const toleranceMs = 1_000

/** What an auditor accepted. Times of `elapsedMs`. */
export interface Acceptance {
  readonly peer: string
  readonly class: StalenessClass
  readonly how: 'check' | 'connection' | 'connection after a stall'
  readonly atMs: number
}

export interface AuditOptions extends ProductOptions {
  /** Where the verifier finds the Workload API, when not at the agent's own socket: a way in between. */
  readonly socketOf?: (agent: AgentProcess) => Promise<string>
  readonly verifier?: Surroundings
  /** Entries for the verifier's own identity say more than its ID and selectors. */
  readonly verifierTtlSeconds?: number
}

/**
 * A server, an agent and a verifier that writes down what it accepts, each a process of its own. Two credentials are shown to the verifier all the time,
 * by checks and over connections, in each class: one that is good, and one that is revoked when the test says so.
 */
export class Audit implements AsyncDisposable {
  readonly product: Product
  readonly agent: AgentProcess
  readonly good: Minted
  readonly bad: Minted
  readonly #options: AuditOptions
  readonly #socket: string
  readonly #past: JsonLine[] = []
  readonly #acknowledged = new Map<string, number>()
  #verifier: Program

  private constructor(product: Product, agent: AgentProcess, good: Minted, bad: Minted, socket: string, options: AuditOptions) {
    this.product = product
    this.agent = agent
    this.good = good
    this.bad = bad
    this.#socket = socket
    this.#options = options
    this.#verifier = this.#begin()
  }

  /** Resolves once both are accepted in every class, in either way. */
  static async start(options: AuditOptions = {}): Promise<Audit> {
    const product = await Product.start({ ...options, serverArgs: ['--log-level', 'warn', ...(options.serverArgs ?? [])], agentArgs: ['--log-level', 'warn', ...(options.agentArgs ?? [])] })
    try {
      const agent = await product.startAgent()
      const [parentId = ''] = await product.agentIds()
      await product.createEntries([{ spiffeId: `spiffe://${product.trustDomain}/verifier`, parentId, selectors: [`unix:uid:${process.geteuid?.() ?? 0}`], keepOnExit: true, ttlSeconds: options.verifierTtlSeconds ?? 3_600 }])
      const socket = (await options.socketOf?.(agent)) ?? agent.workloadSocket
      const audit = new Audit(product, agent, await mint(product, 'good', { ttlSeconds: 3_600 }), await mint(product, 'bad', { ttlSeconds: 3_600 }), socket, options)
      try {
        await audit.accepts(audit.good, audit.bad)
        return audit
      } catch (failure) {
        await audit[Symbol.asyncDispose]()
        throw failure
      }
    } catch (failure) {
      await product[Symbol.asyncDispose]()
      throw failure
    }
  }

  get verifier(): Program {
    return this.#verifier
  }

  /** Of the verifier that is kept over its restarts. */
  get headFile(): string {
    return join(this.product.dir, 'verifier-head.json')
  }

  /** Starts it again after it was killed. */
  startVerifier(): void {
    this.#past.push(...this.#verifier.lines)
    this.#verifier = this.#begin()
  }

  /** Revokes it; resolves with the moment of the acknowledgement, from which on the promise counts. */
  async revoke(minted: Minted = this.bad): Promise<number> {
    await this.product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: minted.serial }, reason: 'fault test' })
    const atMs = elapsedMs()
    this.#acknowledged.set(minted.name, atMs)
    return atMs
  }

  /** Stops the verifier for so long, with SIGSTOP, and lets it go on. */
  async suspend(ms: number): Promise<void> {
    this.#verifier.child.kill('SIGSTOP')
    await wait(ms)
    this.#verifier.child.kill('SIGCONT')
  }

  get acceptances(): readonly Acceptance[] {
    return [...this.#past, ...this.#verifier.lines].filter(({ event }) => event === 'accepted') as unknown as Acceptance[] // auditor.ts writes them so
  }

  /** Verdicts of the present verifier, the latest for each peer and class. */
  verdict(minted: Minted, wanted: StalenessClass): string {
    return String(this.#verifier.lines.findLast(({ event, peer, class: given }) => event === 'verdict' && peer === minted.name && given === wanted)?.['verdict'])
  }

  /** When it was last accepted, in ms after the acknowledgement of its revocation; negative: not since. */
  lastAccepted(minted: Minted, wanted: StalenessClass): number {
    const acknowledged = this.#acknowledged.get(minted.name) ?? Number.NaN
    return Math.max(...this.acceptances.filter(({ peer, class: given }) => peer === minted.name && given === wanted).map(({ atMs }) => atMs)) - acknowledged
  }

  /**
   * What was accepted in a class that promises freshness, longer after the acknowledgement than its limit and a second. What lay in the socket of an open
   * connection while the process did not run is read before any timer of it fires: that one turn is left out.
   */
  get broken(): readonly string[] {
    return this.acceptances.flatMap(({ peer, class: given, how, atMs }) => {
      const acknowledged = this.#acknowledged.get(peer)
      if (acknowledged === undefined || given === 'available' || how === 'connection after a stall') return []
      const lateMs = atMs - acknowledged - stalenessLimitMs[given] - toleranceMs
      return lateMs > 0 ? [`${peer} was accepted by ${how} under ${given} ${(lateMs / 1_000).toFixed(2)} s after the promise`] : []
    })
  }

  /** Waits until each of these is accepted, by checks and over connections, in every class, from now on, and not on stale knowledge. Returns for how long it waited, ms. */
  async accepts(...wanted: readonly Minted[]): Promise<number> {
    const sinceMs = elapsedMs()
    await this.until(() => {
      const fresh = this.#verifier.lines.filter(({ event, atMs }) => event === 'accepted' && Number(atMs) >= sinceMs)
      return wanted.every((minted) => classes.every((given) => this.verdict(minted, given) === 'accepted' && ['check', 'connection'].every((how) => fresh.some((line) => line['peer'] === minted.name && line['class'] === given && line['how'] === how))))
    }, `${wanted.map(({ name }) => name).join(' and ')} accepted again`)
    return elapsedMs() - sinceMs
  }

  /** Waits until all is as it should be without a fault: what was revoked is refused as such, what is good is accepted, in every class. Returns for how long it waited, ms. */
  async recovers(): Promise<number> {
    const sinceMs = elapsedMs()
    await this.until(() => classes.every((given) => this.verdict(this.bad, given) === 'revoked'), 'the revoked one refused as revoked')
    await this.accepts(this.good)
    return elapsedMs() - sinceMs
  }

  /** Waits until nothing more of what it has accepted comes in: what an open connection carried is read, and written down, after the first check has refused. Returns `lastAccepted`. */
  async settled(minted: Minted, wanted: StalenessClass): Promise<number> {
    let last = this.lastAccepted(minted, wanted)
    for (let before = Number.NaN; last !== before; last = this.lastAccepted(minted, wanted)) {
      before = last
      await wait(2_000)
    }
    return last
  }

  async until(holds: () => boolean, what: string, withinMs = 180_000): Promise<void> {
    const sinceMs = elapsedMs()
    while (!holds()) {
      if (elapsedMs() - sinceMs > withinMs) throw new Error(`not within ${withinMs / 1_000} s: ${what}\n${JSON.stringify(Object.fromEntries([this.good, this.bad].map((minted) => [minted.name, classes.map((given) => this.verdict(minted, given))])))}\nverifier: ${this.#verifier.errors.slice(-1_500)}\nagent: ${this.agent.program?.errors.slice(-1_500) ?? ''}\nserver: ${this.product.server.errors.slice(-1_500)}`)
      await wait(50)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#verifier.kill()
    await this.product[Symbol.asyncDispose]()
  }

  #begin(): Program {
    const { under = [], env } = this.#options.verifier ?? {}
    const [command, ...args] = [...under, node24, join(import.meta.dirname, 'auditor.ts'), JSON.stringify({ socket: this.#socket, heads: this.headFile })]
    const verifier = new Program(command, args, env === undefined ? {} : { env })
    for (const { name, chain, key } of [this.good, this.bad]) verifier.child.stdin?.write(`${JSON.stringify({ watch: name, chain: chain.map((der) => Buffer.from(der).toString('base64')), key })}\n`)
    return verifier
  }
}

export async function wait(ms: number): Promise<void> {
  await systemClock.sleep(ms, new AbortController().signal)
}
