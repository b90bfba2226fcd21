import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { StepAnswer } from '../../proto/generated/mayfly/v1/StepAnswer.ts'
import type { StepRequest__Output } from '../../proto/generated/mayfly/v1/StepRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { WorkloadConnection } from '../workload-api/workload-connection.ts'
import type { HeldGrant } from './held-grant.ts'
import type { GrantGate } from './listener.ts'

/** `until` makes what aborts when nobody waits for the answer any more. */
export type TakeStep = (held: HeldGrant, request: StepRequest__Output, until: () => AbortSignal) => Promise<StepAnswer>

const maxBodyBytes = 16_384
const limitMs = 10_000

/**
 * `POST /step` on the socket of a grant, for tasks without gRPC: JSON in and out. 200 is the only yes; a step that is denied is 403 with the same answer, so
 * that a client which looks at the status alone takes no step that was denied.
 */
export class StepHttp {
  readonly #http: Server
  readonly #peers = new WeakMap<Socket, { readonly connection: WorkloadConnection; readonly gate: GrantGate }>()
  readonly #log: Logger
  readonly #take: TakeStep

  /** @param take decides and records one step */
  constructor(log: Logger, take: TakeStep) {
    this.#log = log
    this.#take = take
    this.#http = createServer({ maxHeaderSize: 8_192, headersTimeout: limitMs, requestTimeout: limitMs, keepAliveTimeout: 30_000, connectionsCheckingInterval: 2_000 }, (request, response) => void this.#answer(request, response))
    this.#http.on('clientError', (_, socket) => socket.destroy())
    this.#http.emit('listening') // it is handed its connections, and begins to watch their limits with this event
  }

  /** Takes over a connection whose client speaks HTTP/1.1. */
  serve(socket: Socket, connection: WorkloadConnection, gate: GrantGate): void {
    this.#peers.set(socket, { connection, gate })
    this.#http.emit('connection', socket)
  }

  close(): void {
    this.#http.closeAllConnections()
    this.#http.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const peer = this.#peers.get(request.socket)
      if (peer === undefined) return void response.destroy()
      const held = await peer.gate.admit(peer.connection)
      if (request.url !== '/step') return send(response, 404, problem('NOT_FOUND', 'there is /step and nothing else'))
      if (request.method !== 'POST') return send(response, 405, problem('INVALID_ARGUMENT', 'take a step with POST'))
      const step = stepFromJson(await readBody(request))
      const answer = await this.#take(held, step, () => whileThere(response, peer.connection.over))
      send(response, answer.allowed === true ? 200 : 403, answer)
    } catch (error) {
      if (error instanceof MayflyError) return send(response, statuses[error.status] ?? 500, problem(error.code, error.message, error.hint))
      if (request.destroyed) return
      this.#log.error({ event: 'step.failed', error: String(error) }, 'a step failed in a way it does not state')
      send(response, 500, problem('INTERNAL', 'internal error'))
    }
  }
}

const statuses: Readonly<Partial<Record<MayflyError['status'], number>>> = {
  INVALID_ARGUMENT: 400,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  FAILED_PRECONDITION: 409,
  RESOURCE_EXHAUSTED: 429,
  UNAVAILABLE: 503,
}

/** Aborts when the caller has gone or is no longer what it was. */
function whileThere(response: ServerResponse, over: AbortSignal): AbortSignal {
  const gone = new AbortController()
  const leave = (): void => gone.abort(new MayflyError('CANCELLED', 'the caller went away'))
  if (response.closed) leave()
  else response.once('close', leave)
  return AbortSignal.any([gone.signal, over])
}

/** @throws {MayflyError} INVALID_ARGUMENT, LIMIT_EXCEEDED, CANCELLED */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const body = await bytesOf(request)
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw new MayflyError('INVALID_ARGUMENT', 'a step is written as JSON')
  }
}

/** @throws {MayflyError} LIMIT_EXCEEDED, CANCELLED */
async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let length = 0
    request.on('data', (part: Buffer) => {
      // without an encoding, parts are Buffers
      length += part.length
      if (length <= maxBodyBytes) parts.push(part)
      else request.destroy(new MayflyError('LIMIT_EXCEEDED', `a step has at most ${maxBodyBytes} bytes`))
    })
    request.once('end', () => resolve(Buffer.concat(parts)))
    request.once('close', () => request.complete || reject(new MayflyError('CANCELLED', 'the caller went away')))
    request.once('error', reject)
  })
}

/** @throws {MayflyError} INVALID_ARGUMENT */
function stepFromJson(body: unknown): StepRequest__Output {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new MayflyError('INVALID_ARGUMENT', 'a step is an object with action and resource')
  const unknown = Object.keys(body).find((name) => !['action', 'resource', 'description', 'waitSeconds'].includes(name))
  if (unknown !== undefined) throw new MayflyError('INVALID_ARGUMENT', `a step has no ${JSON.stringify(unknown.slice(0, 40))}`)
  const text = (name: string, isNeeded: boolean): string => {
    const value: unknown = Reflect.get(body, name)
    if (value === undefined && !isNeeded) return ''
    if (typeof value !== 'string' || (isNeeded && value === '')) throw new MayflyError('INVALID_ARGUMENT', `${name} must be a text`)
    return value
  }
  const waitSeconds: unknown = Reflect.get(body, 'waitSeconds') ?? 0
  if (typeof waitSeconds !== 'number' || !Number.isInteger(waitSeconds) || waitSeconds < 0 || waitSeconds > 1_800) throw new MayflyError('INVALID_ARGUMENT', 'waitSeconds must be 0 to 1800')
  return { grantId: '', action: text('action', true), resource: text('resource', true), description: text('description', false), waitSeconds }
}

function problem(code: string, message: string, hint?: string): object {
  return { error: { code, message, ...(hint === undefined ? {} : { hint }) } }
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}
