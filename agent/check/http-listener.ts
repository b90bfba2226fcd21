import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { listenUnix } from '../../src/rpc/listen-unix.ts'
import type { Listener } from '../../src/rpc/listen-unix.ts'
import { Quota } from '../../src/rpc/quota.ts'
import type { QuotaTerms } from '../../src/rpc/quota.ts'
import type { Processes } from '../attest/ports.ts'
import { questionFromJson } from './json.ts'
import type { SvidCheck } from './svid-check.ts'

export interface CheckListenerDeps {
  readonly check: SvidCheck
  readonly processes: Pick<Processes, 'peerCredentials'>
  readonly clock: Clock
  readonly log: Logger
  /** The socket, when a service manager handed it over. */
  readonly fd?: number | undefined
  /** Of one user: far above what a service needs, and little enough of a processor for the rest of the agent to live. */
  readonly checkTerms: QuotaTerms
  /** For a whole request to come; 5 s when absent. */
  readonly requestLimitMs?: number
}

const maxBodyBytes = 65_536
const maxConnections = 1_024
const maxConnectionsOfUid = 256
const longestRequestMs = 5_000

/**
 * `POST /check` over HTTP/1.1 on a Unix socket of its own, for programs without gRPC: JSON in and out. 200 is the only yes; a refused certificate is
 * 403 with the same answer, so that a client which looks at the status alone accepts nobody who was revoked. It holds no secret: any local process may ask.
 */
export class CheckListener implements AsyncDisposable {
  readonly #deps: CheckListenerDeps
  readonly #quota: Quota
  readonly #http: Server
  readonly #uids = new Map<Socket, number>()
  #listener: Listener | undefined

  private constructor(deps: CheckListenerDeps) {
    this.#deps = deps
    this.#quota = new Quota(deps.clock, deps.checkTerms)
    const limitMs = deps.requestLimitMs ?? longestRequestMs
    this.#http = createServer({ maxHeaderSize: 8_192, headersTimeout: limitMs, requestTimeout: limitMs, keepAliveTimeout: 30_000, connectionsCheckingInterval: Math.ceil(limitMs / 5) }, (request, response) => void this.#answer(request, response))
    this.#http.timeout = 30_000
    this.#http.on('clientError', (_, socket) => socket.destroy())
    this.#http.emit('listening') // it is handed its connections, and begins to watch their limits with this event
  }

  /** @throws {MayflyError} SOCKET_IN_USE, INVALID_ARGUMENT */
  static async start(socketPath: string, deps: CheckListenerDeps): Promise<CheckListener> {
    const listener = new CheckListener(deps)
    listener.#listener = await listenUnix(socketPath, { mode: 0o777, fd: deps.fd, keep: deps, maxConnections, onConnection: (socket) => listener.#accept(socket) })
    return listener
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close()
    this.#http.closeAllConnections()
    this.#http.close()
    for (const socket of this.#uids.keys()) socket.destroy()
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined)
    try {
      const { uid } = this.#deps.processes.peerCredentials(socket)
      const held = [...this.#uids.values()].filter((other) => other === uid).length
      if (held >= maxConnectionsOfUid) throw new MayflyError('LIMIT_EXCEEDED', `uid ${uid} has too many connections`)
      this.#uids.set(socket, uid)
    } catch (error) {
      this.#deps.log.info({ event: 'check.refused', cause: String(error) }, 'a connection to the check socket was refused')
      socket.destroy()
      return
    }
    socket.once('close', () => this.#uids.delete(socket))
    this.#http.emit('connection', socket)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#quota.take(String(this.#uids.get(request.socket) ?? -1), 1) // also what is no question takes its time
      const [path] = (request.url ?? '').split('?')
      if (path !== '/check') return send(response, 404, problem('NOT_FOUND', 'there is /check and nothing else'))
      if (request.method !== 'POST') return send(response, 405, problem('INVALID_ARGUMENT', 'ask with POST'), { allow: 'POST' })
      const body = await readBody(request)
      const answer = this.#deps.check.check(questionFromJson(body))
      send(response, answer.accepted ? 200 : 403, answer)
    } catch (error) {
      if (error instanceof TooLong) return send(response, 413, problem('LIMIT_EXCEEDED', `a question has at most ${maxBodyBytes} bytes`), { connection: 'close' })
      if (error instanceof MayflyError) return send(response, statuses[error.status] ?? 500, problem(error.code, error.message, error.hint))
      if (request.destroyed) return
      this.#deps.log.error({ event: 'check.failed', error: String(error) }, 'a check failed in a way it does not state')
      send(response, 500, problem('INTERNAL', 'internal error'))
    }
  }
}

class TooLong extends Error {}

const statuses: Readonly<Partial<Record<MayflyError['status'], number>>> = { INVALID_ARGUMENT: 400, RESOURCE_EXHAUSTED: 429, UNAVAILABLE: 503 }

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maxBodyBytes) throw new TooLong()
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function problem(code: string, message: string, hint?: string): object {
  return { error: { code, message, ...(hint === undefined ? {} : { hint }) } }
}

function send(response: ServerResponse, status: number, body: object, headers: Readonly<Record<string, string>> = {}): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  response.end(`${JSON.stringify(body)}\n`)
}
