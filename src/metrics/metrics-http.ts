import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { formatAddress } from '../config/fields.ts'
import type { HostAndPort } from '../config/fields.ts'
import { MayflyError } from '../core/errors.ts'

/** One thing that must hold for a process to be ready. */
export interface ReadyCheck {
  readonly name: string
  readonly ok: boolean
  /** For people: what it found. */
  readonly detail: string
}

export interface MetricsHttpSources {
  /** The exposition. */
  metrics(): Promise<string>
  /** Looked at anew for each request. */
  ready(): Promise<readonly ReadyCheck[]>
}

const limitMs = 10_000
const maxConnections = 64

/** `GET /metrics`, `/live` (200 as long as this process answers at all) and `/ready` (200, or 503 and what is missing), without authentication: no figure is a secret of a workload, but keep it off the public network. */
export class MetricsHttp implements AsyncDisposable {
  /** `host:port`. */
  readonly address: string
  readonly #server: Server

  private constructor(server: Server, address: string) {
    this.#server = server
    this.address = address
  }

  /** @throws {MayflyError} SOCKET_IN_USE */
  static async start({ host, port }: HostAndPort, sources: MetricsHttpSources): Promise<MetricsHttp> {
    const server = createServer({ maxHeaderSize: 8_192, headersTimeout: limitMs, requestTimeout: limitMs, keepAliveTimeout: limitMs }, (request, response) => {
      answer(request, response, sources).catch(() => response.destroy()) // nothing was said yet, or the other end has gone
    })
    server.maxConnections = maxConnections
    server.on('clientError', (_, socket) => socket.destroy())
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(new MayflyError('SOCKET_IN_USE', `cannot listen on ${formatAddress({ host, port })}: ${cause.message}`, { cause, hint: 'choose another metrics.address' })))
      server.listen(port, host, resolve)
    })
    const bound = server.address() as AddressInfo // it listens on TCP
    return new MetricsHttp(server, formatAddress({ host, port: bound.port }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, sources: MetricsHttpSources): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
    return
  }
  const [path = ''] = (request.url ?? '').split('?')
  switch (path) {
    case '/metrics':
      return send(request, response, 200, 'text/plain; version=0.0.4; charset=utf-8', await sources.metrics())
    case '/live':
      return send(request, response, 200, 'application/json', '{"live":true}\n')
    case '/ready': {
      const checks = await sources.ready()
      const ready = checks.every(({ ok }) => ok)
      return send(request, response, ready ? 200 : 503, 'application/json', `${JSON.stringify({ ready, checks })}\n`)
    }
    default:
      return send(request, response, 404, 'text/plain; charset=utf-8', '/metrics, /live, /ready\n')
  }
}

function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text)
  response.writeHead(status, { 'content-type': type, 'content-length': body.length, 'cache-control': 'no-store' })
  response.end(request.method === 'HEAD' ? undefined : body)
}
