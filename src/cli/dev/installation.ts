import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { MayflyError } from '../../core/errors.ts'
import { formatJoinLine } from '../../core/join-line.ts'
import { parseTrustDomain } from '../../core/spiffe-id.ts'
import { connectAgent, connectServer } from '../connection.ts'
import type { Context } from '../context.ts'
import { placesOf } from '../places.ts'
import type { Places } from '../places.ts'
import { Service } from './service.ts'

const joinPatienceMs = 15_000

export interface InstallationConfig {
  /** Holds `server/`, `agent/`, their logs and `dev.json`. */
  readonly data: string
  readonly trustDomain: string
  /** How long X.509-SVIDs live, as `15m`; the server's default when unset. */
  readonly x509SvidTtl?: string | undefined
}

/** What is remembered from one start to the next. */
interface Remembered {
  readonly trustDomain: string
  /** Where the server listened, so that the agent finds it again. */
  readonly listen: string
}

/** A server and an agent as two processes in one folder; the second start finds what the first made. */
export class Installation implements AsyncDisposable {
  readonly places: Places
  readonly config: InstallationConfig
  readonly #context: Context
  #server: Service
  #agent: Service | undefined

  /** Resolves once both serve. @throws {MayflyError} what the one that could not start said */
  static async start(config: InstallationConfig, context: Context): Promise<Installation> {
    const places = placesOf({ data: config.data, 'server-socket': join(config.data, 'server', 'admin.sock'), 'agent-socket': join(config.data, 'agent', 'admin.sock'), socket: join(config.data, 'agent', 'workload.sock') }, context)
    const remembered = await recall(places)
    if (remembered !== undefined && remembered.trustDomain !== config.trustDomain) {
      throw new MayflyError('USAGE', `${places.data} is of trust domain ${remembered.trustDomain}`, { hint: `leave --trust-domain out, or take another folder with --data` })
    }
    // 0755, because every process on this machine may come to the Workload API in it; what is secret has folders of its own
    await mkdir(places.data, { recursive: true, mode: 0o755 })
    const installation = new Installation(config, places, context, launchServer(config, places, remembered?.listen))
    try {
      const agent = (installation.#agent = await launchAgent(places)) // both load at the same time
      const loading = import('../../rpc/channel.ts')
      await served(installation.#server, config, places)
      await loading
      await installation.startAgent(agent)
      return installation
    } catch (error) {
      await installation[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(config: InstallationConfig, places: Places, context: Context, server: Service) {
    this.config = config
    this.places = places
    this.#context = context
    this.#server = server
  }

  get server(): Service {
    return this.#server
  }

  get agent(): Service {
    if (this.#agent === undefined) throw new MayflyError('INTERNAL', 'the agent was not started')
    return this.#agent
  }

  /** Starts the server anew after it ended. */
  async restartServer(): Promise<void> {
    this.#server = launchServer(this.config, this.places, (await recall(this.places))?.listen)
    await served(this.#server, this.config, this.places)
  }

  /**
   * Starts the agent: with a join line when it never joined, or when what it has is no good any more.
   * @param launched one that loads already
   */
  async startAgent(launched?: Service): Promise<void> {
    const joined = existsSync(join(this.places.agentData, 'agent.svid.pem'))
    try {
      await this.#runAgent(joined, launched)
    } catch (error) {
      if (!joined || this.agent.stopping) throw error
      await this.agent.stop()
      await this.#runAgent(false)
    }
  }

  /** Stops the agent, then the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.stop()
    await this.#server.stop()
  }

  async #runAgent(joined: boolean, launched?: Service): Promise<void> {
    const line = joined ? '' : await this.#joinLine()
    this.#agent = launched ?? (await launchAgent(this.places))
    this.#agent.tell(line)
    await this.#agent.serving
    await this.#connected(this.#agent)
  }

  /** The agent's sockets listen before it has joined: resolves when the server has let it in. @throws {MayflyError} what it said when it ended instead */
  async #connected(agent: Service): Promise<void> {
    const { clock, signal } = this.#context
    const gone = new AbortController()
    void agent.exited.then(() => gone.abort(agent.failure()))
    const until = AbortSignal.any([signal, gone.signal])
    using channel = await connectAgent({ 'agent-socket': this.places.agentSocket }, this.#context)
    for (const deadlineMs = clock.bootMs() + joinPatienceMs; ; ) {
      try {
        for await (const status of channel.serverStream('mayfly.v1.AgentAdmin', 'WatchStatus', {}, { signal: until, timeoutMs: joinPatienceMs })) if (status.connected) return
      } catch (error) {
        until.throwIfAborted()
        if (clock.bootMs() > deadlineMs) throw new MayflyError('UNAVAILABLE', 'the agent could not join', { cause: error, hint: `its log is ${logFile(this.places, 'agent')}` })
        await clock.sleep(20, until)
      }
    }
  }

  async #joinLine(): Promise<string> {
    const options = { 'server-socket': this.places.serverSocket }
    using server = await connectServer(options, this.#context)
    const [{ agentAddress, trustDomain, bundleDigest }, token] = await Promise.all([
      server.unary('mayfly.v1.Status', 'Get', {}),
      server.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 60 }),
    ])
    return formatJoinLine({ address: agentAddress, token: token.value, trustDomain: parseTrustDomain(trustDomain), bundleDigest })
  }
}

/** The trust domain that a folder was made for. */
export async function trustDomainIn(places: Places): Promise<string | undefined> {
  return (await recall(places))?.trustDomain
}

function launchServer(config: InstallationConfig, places: Places, listen = '127.0.0.1:0'): Service {
  const ttl = config.x509SvidTtl === undefined ? [] : ['--x509-svid-ttl', config.x509SvidTtl]
  return Service.start('server', ['--data', places.serverData, '--trust-domain', config.trustDomain, '--listen', listen, '--dev', ...ttl], logFile(places, 'server'))
}

/** Waits for it, and remembers where it is. @throws {MayflyError} what it said when it could not start */
async function served(server: Service, config: InstallationConfig, places: Places): Promise<void> {
  try {
    await server.serving
  } catch (error) {
    await server.stop()
    throw error
  }
  if (!existsSync(rememberedFile(places))) await writeFile(rememberedFile(places), `${JSON.stringify({ trustDomain: config.trustDomain, listen: await addressOf(server) })}\n`)
}

/** An agent that loads, and then waits for a line: how it joins, or nothing. The line is a secret until it is used, and arguments and files are for others to see. */
async function launchAgent(places: Places): Promise<Service> {
  await mkdir(places.agentData, { recursive: true, mode: 0o755 })
  return Service.start('agent', ['--data', places.agentData, '--join-file', '-'], logFile(places, 'agent'))
}

async function addressOf(server: Service): Promise<string> {
  const { address } = await server.serving
  return typeof address === 'string' ? address : '127.0.0.1:0'
}

async function recall(places: Places): Promise<Remembered | undefined> {
  try {
    return JSON.parse(await readFile(rememberedFile(places), 'utf8')) as Remembered // written by startServer
  } catch {
    return undefined
  }
}

function rememberedFile(places: Places): string {
  return join(places.data, 'dev.json')
}

export function logFile(places: Places, name: 'server' | 'agent'): string {
  return join(places.data, `${name}.log`)
}
