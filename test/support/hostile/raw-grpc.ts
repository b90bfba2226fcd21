import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

/** Where a gRPC server listens: the path of a Unix socket, or `host:port` with TLS. */
export type Endpoint = { readonly path: string } | { readonly address: string; readonly tls?: ConnectionOptions }

export interface RawAnswer {
  /** 0..16; unset when the stream or the connection ended without one. */
  readonly status: number | undefined
  readonly message: string
  /** The trailing `mayfly-code`. */
  readonly code: string | undefined
  /** Whether a message came before the status. */
  readonly answered: boolean
}

/** A gRPC client that sends any bytes: nothing of what it says needs to be a message. Connects again when it was cut. */
export class RawGrpc implements Disposable {
  readonly #endpoint: Endpoint
  #session: ClientHttp2Session | undefined

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  get session(): ClientHttp2Session {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = connectHttp2('http://localhost', { createConnection: () => openSocket(this.#endpoint), maxSendHeaderBlockLength: 10_000_000 })
      this.#session.on('error', () => undefined)
    }
    return this.#session
  }

  /** One call; resolves with what came, `afterMs` at the latest, with what had come until then. `method` as `/service/method`. */
  async call(method: string, frames: Uint8Array, options: { readonly headers?: Readonly<Record<string, string>>; readonly afterMs?: number; readonly enough?: 'message' | 'status' } = {}): Promise<RawAnswer> {
    const stream = this.session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers', ...options.headers })
    stream.on('error', () => undefined)
    stream.end(Buffer.from(frames))
    return answerOf(stream, options)
  }

  [Symbol.dispose](): void {
    this.#session?.destroy()
  }
}

/** A gRPC frame around a message: flag, length, bytes. */
export function grpcFrame(message: Uint8Array, flag = 0): Uint8Array {
  const frame = Buffer.alloc(5 + message.length)
  frame[0] = flag
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  return frame
}

export function openSocket(endpoint: Endpoint): Socket {
  if ('path' in endpoint) return connectPlain(endpoint.path)
  const [host = '', port = ''] = endpoint.address.split(/:(?=\d+$)/)
  return connectTls({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'], checkServerIdentity: () => undefined, ...endpoint.tls })
}

export function openTcp(address: string): Socket {
  const [host = '', port = ''] = address.split(/:(?=\d+$)/)
  return connectPlain(Number(port), host)
}

function answerOf(stream: ClientHttp2Stream, { afterMs = 10_000, enough = 'status' }: { readonly afterMs?: number; readonly enough?: 'message' | 'status' }): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let status: number | undefined
    let message = ''
    let code: string | undefined
    let answered = false
    const finish = (): void => {
      clearTimeout(timer)
      if (!stream.closed) stream.close()
      resolve({ status, message, code, answered })
    }
    const timer = setTimeout(finish, afterMs)
    const look = (headers: Readonly<Record<string, unknown>>): void => {
      if (typeof headers['grpc-status'] === 'string') status = Number(headers['grpc-status'])
      if (typeof headers['grpc-message'] === 'string') message = headers['grpc-message']
      if (typeof headers['mayfly-code'] === 'string') code = headers['mayfly-code']
    }
    stream.on('response', look).on('trailers', look).on('close', finish)
    stream.on('data', () => {
      answered = true
      if (enough === 'message') finish()
    })
  })
}
