import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { formatJoinLine } from '../../../src/core/join-line.ts'
import { parseSpiffeId, type TrustDomain, parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import type { Request } from '../../../src/rpc/services.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { main, node24, Program } from './process.ts'

export interface ProductOptions {
  readonly trustDomain?: string
  /** Whether workloads may have the uid of the administrator, as the tests' do; yes unless said otherwise. */
  readonly dev?: boolean
  readonly serverArgs?: readonly string[]
  readonly agentArgs?: readonly string[]
  /** Where the server listens; a free port of 127.0.0.1 unless said otherwise. */
  readonly listen?: string
  /** What agents connect to in place of the server's address: a way in between. */
  readonly wayToServer?: (address: string) => Promise<string>
  readonly server?: Surroundings
  readonly agent?: Surroundings
}

/** What a process of the product is started in. */
export interface Surroundings {
  /** A command with its arguments that runs the one after it, such as `nsenter`. */
  readonly under?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The source tree of another version; this one's unless said otherwise. */
  readonly tree?: string
}

/** A server, and agents when asked for, as processes of their own with the real mains, in a temporary folder; found through their serving lines. */
export class Product implements AsyncDisposable {
  readonly dir: string
  readonly trustDomain: TrustDomain
  readonly #options: ProductOptions
  readonly #agents: AgentProcess[] = []
  #server: Program | undefined
  #admin: RpcChannel | undefined
  #address: string

  private constructor(options: ProductOptions) {
    this.dir = mkdtempSync(join(tmpdir(), 'mf-'))
    chmodSync(this.dir, 0o755) // workloads of other users reach the agent's socket below it
    this.trustDomain = parseTrustDomain(options.trustDomain ?? 'example.org')
    this.#options = options
    this.#address = options.listen ?? '127.0.0.1:0'
  }

  static async start(options: ProductOptions = {}): Promise<Product> {
    const product = new Product(options)
    try {
      await product.startServer()
      return product
    } catch (error) {
      await product[Symbol.asyncDispose]()
      throw error
    }
  }

  get server(): Program {
    if (this.#server === undefined) throw new Error('the server was not started')
    return this.#server
  }

  /** A channel to the server's admin socket. */
  get admin(): RpcChannel {
    this.#admin ??= RpcChannel.connectUnix(this.adminSocket, { clock: systemClock })
    return this.#admin
  }

  get adminSocket(): string {
    return join(this.dir, 'server/admin.sock')
  }

  /** `host:port` that agents connect to; stays the same over restarts. */
  get address(): string {
    return this.#address
  }

  get agents(): readonly AgentProcess[] {
    return this.#agents
  }

  /** Starts the server, or starts it again after it was killed, on the same data and address. */
  async startServer(surroundings: Surroundings | undefined = this.#options.server): Promise<void> {
    this.#server = started(surroundings, [main('server', surroundings?.tree), '--while-stdin', '--trust-domain', this.trustDomain, '--data', join(this.dir, 'server'), '--listen', this.#address, ...(this.#options.dev === false ? [] : ['--dev']), ...(this.#options.serverArgs ?? [])])
    const serving = await this.#server.event('serving')
    this.#address = String(serving['address'])
  }

  async killServer(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#admin?.close()
    this.#admin = undefined
    await this.#server?.kill(signal)
  }

  async joinLine(): Promise<{ readonly line: string; readonly agentToken: string }> {
    const status = await this.admin.unary('mayfly.v1.Status', 'Get', {})
    const token = await this.admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 600 })
    const address = (await this.#options.wayToServer?.(this.#address)) ?? this.#address
    return { line: formatJoinLine({ address, token: token.value, trustDomain: this.trustDomain, bundleDigest: status.bundleDigest }), agentToken: token.value }
  }

  /** Joins a new agent; resolves once its sockets listen and the server has attested it. */
  async startAgent(args: readonly string[] = [], surroundings: Surroundings | undefined = this.#options.agent): Promise<AgentProcess> {
    const known = (await this.agentIds()).length
    const { line } = await this.joinLine()
    const joinFile = join(this.dir, `join${this.#agents.length}`)
    writeFileSync(joinFile, line, { mode: 0o600 })
    const agent = new AgentProcess(join(this.dir, `agent${this.#agents.length}`), [...(surroundings?.tree === undefined ? ['--join-file', joinFile] : ['--join', line]), ...(this.#options.agentArgs ?? []), ...args], surroundings)
    this.#agents.push(agent)
    await agent.start()
    while ((await this.agentIds()).length === known) {
      if (agent.program?.child.exitCode !== null) throw new Error(`the agent ended: ${agent.program?.errors ?? ''}`)
      await systemClock.sleep(10, AbortSignal.timeout(10_000))
    }
    return agent
  }

  /** The SPIFFE IDs of the agents that have attested, in the order the server lists them. */
  async agentIds(): Promise<readonly string[]> {
    const { agents } = await this.admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', { pageSize: 1000 })
    return agents.map((agent) => `spiffe://${agent.id?.trustDomain ?? ''}${agent.id?.path ?? ''}`)
  }

  /** Creates one entry per given spec; fails if one is refused. Returns their ids. */
  async createEntries(specs: readonly EntrySpecText[]): Promise<readonly string[]> {
    const request: Request<'mayfly.v1.Registry', 'CreateEntries'> = {
      entries: specs.map((spec) => ({
        entry: {
          spiffeId: wireId(spec.spiffeId),
          parentId: wireId(spec.parentId),
          selectors: spec.selectors.map((text) => ({ type: text.slice(0, text.indexOf(':')), value: text.slice(text.indexOf(':') + 1) })),
          x509SvidTtl: spec.ttlSeconds ?? 0,
          hint: spec.hint ?? '',
        },
        options: { owner: spec.owner ?? '', prefetch: spec.prefetch ?? false, keepOnExit: spec.keepOnExit ?? false, crl: spec.crl ?? false },
      })),
    }
    const { results } = await this.admin.unary('mayfly.v1.Registry', 'CreateEntries', request)
    return results.map((result) => {
      if (result.status?.code !== 0) throw new Error(`an entry was refused: ${result.status?.message ?? 'no status'}`)
      return result.entry?.entry?.id ?? ''
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#admin?.close()
    for (const agent of this.#agents) await agent.program?.kill('SIGKILL')
    await this.#server?.kill('SIGKILL')
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export interface EntrySpecText {
  readonly spiffeId: string
  readonly parentId: string
  readonly selectors: readonly string[]
  readonly ttlSeconds?: number
  readonly hint?: string
  readonly owner?: string
  readonly prefetch?: boolean
  readonly keepOnExit?: boolean
  readonly crl?: boolean
}

export class AgentProcess {
  readonly dir: string
  readonly #args: readonly string[]
  readonly #surroundings: Surroundings | undefined
  program: Program | undefined

  constructor(dir: string, args: readonly string[], surroundings?: Surroundings) {
    this.dir = dir
    this.#args = args
    this.#surroundings = surroundings
  }

  get workloadSocket(): string {
    return join(this.dir, 'workload.sock')
  }

  get adminSocket(): string {
    return join(this.dir, 'admin.sock')
  }

  /** Starts it, or starts it again on the same data. */
  async start(surroundings: Surroundings | undefined = this.#surroundings): Promise<void> {
    this.program = started(surroundings, [main('agent', surroundings?.tree), '--while-stdin', '--data', this.dir, ...this.#args])
    await this.program.event('serving')
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.program?.kill(signal)
  }
}

function started({ under = [], env }: Surroundings = {}, args: readonly string[]): Program {
  const [command = node24, ...rest] = [...under, node24, ...args]
  return new Program(command, rest, env === undefined ? {} : { env })
}

/** @param text a SPIFFE ID; as SPIRE's wire has it */
export function wireId(text: string): { trustDomain: string; path: string } {
  const id = parseSpiffeId(text)
  const rest = id.slice('spiffe://'.length)
  const slash = rest.indexOf('/')
  return slash < 0 ? { trustDomain: rest, path: '' } : { trustDomain: rest.slice(0, slash), path: rest.slice(slash) }
}
