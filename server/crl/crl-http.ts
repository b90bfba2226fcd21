import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { formatAddress } from '../../src/config/fields.ts'
import type { HostAndPort } from '../../src/config/fields.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { CrlBridge } from './crl-bridge.ts'
import type { PublishedCrl } from './published-crl.ts'
import { bundlePem, crlsPem } from './crl-files.ts'

const limitMs = 5_000
const maxConnections = 256

/** Lists over HTTP, for whoever fetches them: `/<authority>.crl` (DER), `/crl.pem` (all), `/bundle.pem`. What they tell is public and signed. */
export class CrlHttp implements AsyncDisposable {
  /** `host:port`. */
  readonly address: string
  readonly #server: Server

  private constructor(server: Server, address: string) {
    this.#server = server
    this.address = address
  }

  /** @throws {MayflyError} SOCKET_IN_USE */
  static async start({ host, port }: HostAndPort, bridge: Pick<CrlBridge, 'crls'>): Promise<CrlHttp> {
    const server = createServer({ maxHeaderSize: 8_192, headersTimeout: limitMs, requestTimeout: limitMs, keepAliveTimeout: limitMs }, (request, response) => answer(request, response, bridge))
    server.maxConnections = maxConnections
    server.on('clientError', (_, socket) => socket.destroy())
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(new MayflyError('SOCKET_IN_USE', `cannot listen on ${formatAddress({ host, port })}: ${cause.message}`, { cause })))
      server.listen(port, host, resolve)
    })
    const bound = server.address() as AddressInfo // it listens on TCP
    return new CrlHttp(server, formatAddress({ host, port: bound.port }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function answer(request: IncomingMessage, response: ServerResponse, { crls }: Pick<CrlBridge, 'crls'>): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
    return
  }
  const [path = ''] = (request.url ?? '').split('?')
  const found = path === '/crl.pem' ? crls : crls.filter(({ authorityId }) => path === `/${authorityId}.crl`)
  const [first] = found
  if (path === '/bundle.pem') {
    send(request, response, () => Buffer.from(bundlePem(crls)), 'application/x-pem-file', crls.map(({ authorityId }) => authorityId.slice(0, 16)).join('-'))
  } else if (first === undefined) {
    response.writeHead(404).end()
  } else {
    const version = found.map(({ number }) => number.toString(36)).join('-')
    if (path === '/crl.pem') send(request, response, () => pemOf(crls), 'application/x-pem-file', version)
    else send(request, response, () => Buffer.from(first.der.buffer, first.der.byteOffset, first.der.byteLength), 'application/pkix-crl', version)
  }
}

/** As text, made once for the lists as they stand: it may be megabytes, and anybody may ask. */
function pemOf(crls: readonly PublishedCrl[]): Buffer {
  const known = pems.get(crls) ?? Buffer.from(crlsPem(crls))
  pems.set(crls, known)
  return known
}

const pems = new WeakMap<readonly PublishedCrl[], Buffer>()

/** `version` changes with the content, which is made only for those who do not have it. */
function send(request: IncomingMessage, response: ServerResponse, content: () => Buffer, type: string, version: string): void {
  const headers = { etag: `"${version}"`, 'cache-control': 'max-age=2' }
  if (request.headers['if-none-match'] === headers.etag) {
    response.writeHead(304, headers).end()
    return
  }
  const body = content()
  response.writeHead(200, { ...headers, 'content-type': type, 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}
