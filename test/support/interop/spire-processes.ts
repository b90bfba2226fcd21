import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Program } from '../product/process.ts'
import type { Product } from '../product/product.ts'
import type { spirePrograms } from './spire.ts'

/** SPIRE's own programs. */
export type Spire = NonNullable<ReturnType<typeof spirePrograms>>

/** What a command of SPIRE's said, and whether it went well. */
export interface Said {
  readonly ok: boolean
  readonly text: string
}

/** `spire-server` as an administrator's command, on this admin socket. */
export function spireCli({ server }: Spire, socket: string, ...args: readonly string[]): Said {
  const { status, stdout, stderr } = spawnSync(server, [...args, '-socketPath', socket], { encoding: 'utf8', timeout: 60_000 })
  return { ok: status === 0, text: `${stdout}${stderr}` }
}

/** A SPIRE agent on a server of ours, joined by a token that SPIRE's own command made. */
export class SpireAgent implements AsyncDisposable {
  readonly dir: string
  readonly program: Program
  readonly #spire: Spire

  private constructor(spire: Spire, dir: string, program: Program) {
    this.#spire = spire
    this.dir = dir
    this.program = program
  }

  /** Resolves once it has attested. @param dir a new folder; paths of sockets below it must be short */
  static async start(spire: Spire, product: Product, dir: string): Promise<SpireAgent> {
    mkdirSync(dir)
    writeFileSync(join(dir, 'bundle.pem'), spireCli(spire, product.adminSocket, 'bundle', 'show').text)
    const token = /^Token: (\S+)/.exec(spireCli(spire, product.adminSocket, 'token', 'generate').text)?.[1] ?? ''
    const [host = '', port = ''] = product.address.split(':')
    writeFileSync(
      join(dir, 'agent.conf'),
      `agent {
  data_dir = "${dir}"
  log_level = "DEBUG"
  log_format = "JSON"
  server_address = "${host}"
  server_port = "${port}"
  socket_path = "${dir}/w/a.sock"
  trust_bundle_path = "${dir}/bundle.pem"
  trust_domain = "${product.trustDomain}"
  experimental { sync_interval = "1s" }
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data { discover_workload_path = true } }
}
`,
    )
    const agent = new SpireAgent(spire, dir, new Program(spire.agent, ['run', '-config', join(dir, 'agent.conf'), '-joinToken', token]))
    await agent.program.line(({ msg }) => msg === 'Starting agent APIs')
    return agent
  }

  get workloadSocket(): string {
    return join(this.dir, 'w/a.sock')
  }

  /** What a workload that is SPIRE's own command fetches: its SVIDs as files, or why there are none. */
  fetch(): Said & { readonly folder: string } {
    const folder = join(this.dir, 'fetched')
    mkdirSync(folder, { recursive: true })
    const { status, stdout, stderr } = spawnSync(this.#spire.agent, ['api', 'fetch', 'x509', '-socketPath', this.workloadSocket, '-write', folder, '-timeout', '5s'], { encoding: 'utf8', timeout: 60_000 })
    return { ok: status === 0, text: `${stdout}${stderr}`, folder }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]()
  }
}

/** A SPIRE server that has its authority from a server of ours, by way of the Workload API of an agent. */
export class NestedSpireServer implements AsyncDisposable {
  readonly dir: string
  readonly program: Program

  private constructor(dir: string, program: Program) {
    this.dir = dir
    this.program = program
  }

  /** Resolves once it serves, or ends with what it said. */
  static async start(spire: Spire, product: Product, workloadSocket: string, dir: string): Promise<NestedSpireServer> {
    mkdirSync(dir)
    const [host = '', port = ''] = product.address.split(':')
    writeFileSync(
      join(dir, 'server.conf'),
      `server {
  bind_address = "127.0.0.1"
  bind_port = "0"
  socket_path = "${dir}/api.sock"
  trust_domain = "${product.trustDomain}"
  data_dir = "${dir}"
  log_level = "INFO"
  log_format = "JSON"
  disable_jwt_svids = true
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3", connection_string = "${dir}/db.sqlite3" } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
  UpstreamAuthority "spire" { plugin_data { server_address = "${host}", server_port = "${port}", workload_api_socket = "${workloadSocket}" } }
}
`,
    )
    const nested = new NestedSpireServer(dir, new Program(spire.server, ['run', '-config', join(dir, 'server.conf')]))
    await nested.program.line(({ msg, network }) => msg === 'Starting Server APIs' && network === 'unix')
    return nested
  }

  get socket(): string {
    return join(this.dir, 'api.sock')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]()
  }
}
