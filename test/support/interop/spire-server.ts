import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { Program } from '../product/process.ts'

/** A real SPIRE server and its agent on this machine, of the trust domain example.org unless it is told another, below the upstream authority of two PEM files or with one of its own. */
export class RealSpire implements AsyncDisposable {
  readonly socket: string
  readonly agentSocket: string
  readonly #folder: string
  readonly #programs: { readonly agent: string; readonly server: string }
  readonly #port: number
  readonly #trustDomain: string
  readonly #running: Program[] = []
  #admin: RpcChannel | undefined
  #agent: Program | undefined

  private constructor(folder: string, programs: { readonly agent: string; readonly server: string }, trustDomain: string) {
    this.#trustDomain = trustDomain
    this.#folder = join(folder, 'spire')
    this.#programs = programs
    this.#port = 21_000 + (process.pid % 5_000)
    this.socket = join(this.#folder, 's.sock')
    this.agentSocket = join(this.#folder, 'a.sock')
  }

  static async start(folder: string, programs: { readonly agent: string; readonly server: string }, upstream: { readonly certPath: string; readonly keyPath: string } | undefined, trustDomain = 'example.org'): Promise<RealSpire> {
    const spire = new RealSpire(folder, programs, trustDomain)
    mkdirSync(join(spire.#folder, 'server'), { recursive: true })
    mkdirSync(join(spire.#folder, 'agent'))
    const config = join(spire.#folder, 'server.conf')
    writeFileSync(
      config,
      `server { bind_address = "127.0.0.1" bind_port = "${spire.#port}" trust_domain = "${trustDomain}" data_dir = "${spire.#folder}/server" socket_path = "${spire.socket}" log_level = "WARN" }
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${spire.#folder}/server/d.sqlite3" } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
${upstream === undefined ? '' : `  UpstreamAuthority "disk" { plugin_data { cert_file_path = "${upstream.certPath}" key_file_path = "${upstream.keyPath}" } }
`}}\n`,
    )
    spire.#running.push(new Program(programs.server, ['run', '-config', config]))
    try {
      await answers(async () => await spire.admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', { outputMask: {} }), () => spire.#said())
      return spire
    } catch (error) {
      await spire[Symbol.asyncDispose]()
      throw error
    }
  }

  /** `host:port` of its TLS port. */
  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** A channel to its admin socket. */
  get admin(): RpcChannel {
    return (this.#admin ??= RpcChannel.connectUnix(this.socket, { clock: systemClock }))
  }

  /** Joins its agent with a token and, as SPIRE's `token generate -spiffeID` does, gives the node that name. Resolves with the agent's ID. */
  async startAgent(name: string): Promise<string> {
    const { value } = await this.admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 600, agentId: { trustDomain: this.#trustDomain, path: name } })
    writeFileSync(
      join(this.#folder, 'agent.conf'),
      `agent { data_dir = "${this.#folder}/agent" log_level = "WARN" server_address = "127.0.0.1" server_port = "${this.#port}" socket_path = "${this.agentSocket}" insecure_bootstrap = true trust_domain = "${this.#trustDomain}" }
plugins {
  KeyManager "disk" { plugin_data { directory = "${this.#folder}/agent" } }
  NodeAttestor "join_token" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}\n`,
    )
    this.#runAgent('-joinToken', value)
    const id = `/spire/agent/join_token/${value}`
    await answers(async () => await this.admin.unary('spire.api.server.agent.v1.Agent', 'GetAgent', { id: { trustDomain: this.#trustDomain, path: id } }), () => this.#said())
    return `spiffe://${this.#trustDomain}${id}`
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.kill('SIGTERM')
  }

  /** The agent that joined before, with the key and the SVID that it kept. */
  startAgentAgain(): void {
    this.#runAgent()
  }

  #runAgent(...args: readonly string[]): void {
    this.#agent = new Program(this.#programs.agent, ['run', '-config', join(this.#folder, 'agent.conf'), ...args])
    this.#running.push(this.#agent)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#admin?.close()
    for (const program of this.#running.toReversed()) await program.kill('SIGKILL')
  }

  #said(): string {
    return this.#running.map(({ errors, lines }) => `${errors}\n${JSON.stringify(lines)}`).join('\n')
  }
}

/** A Go program says nowhere that it serves: it is asked until it answers. */
async function answers(ask: () => Promise<unknown>, said: () => string): Promise<void> {
  const limit = AbortSignal.timeout(120_000)
  for (;;) {
    try {
      await ask()
      return
    } catch (cause) {
      if (limit.aborted) throw new Error(`SPIRE does not answer: ${said()}`, { cause })
      await systemClock.sleep(100, limit)
    }
  }
}
