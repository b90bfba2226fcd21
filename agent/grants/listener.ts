import { chmod, mkdir, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { listenUnix } from '../../src/rpc/listen-unix.ts'
import type { Listener } from '../../src/rpc/listen-unix.ts'
import { RpcServer } from '../../src/rpc/server.ts'
import { WorkloadConnection } from '../workload-api/workload-connection.ts'
import type { WorkloadConnectionDeps } from '../workload-api/workload-connection.ts'
import { firstWord } from './first-word.ts'
import type { HeldGrant } from './held-grant.ts'

export interface GrantListenerDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly connections: WorkloadConnectionDeps
  /** Told of each process that comes without belonging to what the grant is bound to. */
  readonly outsider: (grantId: string, process: { readonly pid: number; readonly uid: number }) => void
  /** Adds the services of a grant's socket. */
  serve(server: RpcServer<WorkloadConnection>, gate: GrantGate): void
  /** Answers a request of HTTP/1.1 on a connection of its own. */
  http(socket: Socket, connection: WorkloadConnection, gate: GrantGate): void
}

/** Lets in whoever belongs to the grant, each time anew. */
export interface GrantGate {
  readonly grantId: string
  readonly held: () => HeldGrant | undefined
  /** Reads the facts again. @throws {MayflyError} NOT_IN_BINDING, GRANT_ENDED, and those of {@link WorkloadConnection.attest} */
  admit(connection: WorkloadConnection): Promise<HeldGrant>
  /** Does what may end the grant; the connection is not cut before it is answered. */
  answering<T>(connection: WorkloadConnection, answer: () => Promise<T>): Promise<T>
}

const maxConnections = 256
/** Of processes that do not belong: enough to be told so. */
const maxOutsiders = 8
const maxReceiveBytes = 65_536
const maxCallsPerConnection = 100
const maxIdleMs = 120_000
/** A step may wait for people. */
const maxUnaryMs = 30 * 60_000
/** How long the streams of a connection that is over have to say so before it is cut. */
const farewellMs = 100
/** How long who ended the grant waits to hear that the server knows of it. */
const answerMs = 10_000

/** The socket of one grant, in a folder of its own: whoever finds the path connects, but only what the grant is bound to is answered. */
export class GrantListener implements AsyncDisposable {
  readonly path: string
  readonly #deps: GrantListenerDeps
  readonly #gate: GrantGate
  readonly #server: RpcServer<WorkloadConnection>
  readonly #sockets = new Map<Socket, WorkloadConnection>()
  readonly #answering = new Map<Promise<unknown>, WorkloadConnection>()
  readonly #stop = new AbortController()
  #outsiders = 0
  #listener: Listener | undefined
  #closed: Promise<void> | undefined

  private constructor(path: string, grantId: string, held: () => HeldGrant | undefined, deps: GrantListenerDeps) {
    this.path = path
    this.#deps = deps
    this.#gate = { grantId, held, admit: async (connection) => await this.#admit(connection), answering: async (connection, answer) => await this.#answer(connection, answer) }
    this.#server = new RpcServer<WorkloadConnection>(deps, { maxReceiveBytes, maxConnections, maxConcurrentCalls: maxCallsPerConnection, maxIdleMs, maxUnaryMs })
    deps.serve(this.#server, this.#gate)
  }

  /** @param folder of all grants of this agent @throws {MayflyError} SOCKET_IN_USE, INVALID_ARGUMENT */
  static async start(folder: string, grantId: string, held: () => HeldGrant | undefined, deps: GrantListenerDeps): Promise<GrantListener> {
    const own = join(folder, grantId)
    await mkdir(own, { recursive: true, mode: 0o711 })
    await chmod(own, 0o711) // others pass through it and see nothing; the mask does not decide
    const listener = new GrantListener(join(own, 'sock'), grantId, held, deps)
    try {
      listener.#listener = await listenUnix(listener.path, { mode: 0o777, maxConnections, onConnection: (socket) => listener.#accept(socket) })
    } catch (error) {
      await rm(own, { recursive: true, force: true })
      throw error
    }
    return listener
  }

  /** Ends every stream with the reason and removes socket and folder. */
  close(reason: MayflyError): Promise<void> {
    return (this.#closed ??= this.#close(reason))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(new MayflyError('SHUTTING_DOWN', 'the socket of the grant is closed'))
  }

  async #close(reason: MayflyError): Promise<void> {
    this.#stop.abort(reason)
    await this.#listener?.close()
    await rm(dirname(this.path), { recursive: true, force: true })
    if (this.#answering.size > 0) await this.#answered()
    await this.#server.close(farewellMs)
    for (const socket of this.#sockets.keys()) socket.destroy()
  }

  async #answer<T>(connection: WorkloadConnection, answer: () => Promise<T>): Promise<T> {
    const answered = answer()
    this.#answering.set(answered, connection)
    try {
      return await answered
    } finally {
      this.#answering.delete(answered)
    }
  }

  /** Resolves when nobody waits for an answer any more, or too long; whoever waits for none is cut meanwhile. */
  async #answered(): Promise<void> {
    const { clock } = this.#deps
    const over = new AbortController()
    const cut = (): void => {
      const waiting = new Set(this.#answering.values())
      for (const [socket, connection] of this.#sockets) if (!waiting.has(connection)) socket.destroy()
    }
    void clock.sleep(farewellMs, over.signal).then(cut, () => undefined)
    await Promise.race([Promise.allSettled(this.#answering.keys()), clock.sleep(answerMs, over.signal).catch(() => undefined)])
    over.abort()
  }

  #accept(socket: Socket): void {
    let connection: WorkloadConnection
    try {
      connection = WorkloadConnection.of(socket, this.#deps.connections)
    } catch (error) {
      this.#deps.log.info({ event: 'workload.refused', code: error instanceof MayflyError ? error.code : 'INTERNAL', cause: String(error) }, 'a connection could not be attested')
      socket.on('error', () => undefined).destroy()
      return
    }
    const binding = this.#gate.held()?.binding
    const isOutsider = binding?.has(connection.caller) === false && binding.end === undefined // after its end nobody belongs
    if (isOutsider) this.#noteOutsider(connection)
    if (isOutsider && ++this.#outsiders > maxOutsiders) {
      this.#outsiders--
      connection[Symbol.dispose]()
      socket.on('error', () => undefined).destroy()
      return
    }
    this.#sockets.set(socket, connection)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (isOutsider) this.#outsiders--
      connection[Symbol.dispose]()
    })
    connection.over.addEventListener('abort', () => void this.#farewell(socket), { once: true })
    firstWord(socket, this.#deps.clock, (kind) => {
      if (kind === 'http1') this.#deps.http(socket, connection, this.#gate)
      else this.#server.inject(socket, connection)
    })
  }

  async #admit(connection: WorkloadConnection): Promise<HeldGrant> {
    await connection.attest()
    const held = this.#gate.held()
    if (held === undefined) throw new MayflyError('GRANT_STATE', 'the grant does not run yet')
    held.over.throwIfAborted()
    if (held.binding.has(connection.caller)) return held
    held.over.throwIfAborted() // looking may have found that it is over
    if (held.binding.end === undefined) this.#noteOutsider(connection)
    throw new MayflyError('NOT_IN_BINDING', `process ${connection.caller.pid} does not belong to what this grant is bound to`, { hint: 'the path of a socket is no right: ask for a grant of your own' })
  }

  #noteOutsider({ caller }: WorkloadConnection): void {
    this.#deps.outsider(this.#gate.grantId, caller)
  }

  async #farewell(socket: Socket): Promise<void> {
    if (socket.destroyed) return
    await this.#deps.clock.sleep(farewellMs, this.#stop.signal).catch(() => undefined) // only aborts
    socket.destroy()
  }
}
