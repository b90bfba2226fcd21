import type { Socket } from 'node:net'
import { RpcServer } from '../../src/rpc/server.ts'
import { Admission } from '../workload-api/admission.ts'
import { WorkloadConnection } from '../workload-api/workload-connection.ts'
import { delegatedIdentity } from './service.ts'
import type { DelegationDeps } from './service.ts'

/** Of all who are no admins: beside those that are kept for admins. */
export const maxDelegateConnections = 1_024
/** Anybody may connect where there are delegates: nobody takes the socket from the others. */
const maxOfOneUid = 128
/** A proxy that speaks for a node has a stream for each of its workloads; `limits.maxStreamsPerProcess` is the bound that is set. */
const maxCallsPerConnection = 4_096
/** How long the streams of a connection that is over have to say so before it is cut. */
const farewellMs = 250

/** DelegatedIdentity, and nothing else, for whoever connects to the admin socket without being an admin. */
export class DelegateServer {
  readonly #deps: DelegationDeps
  readonly #server: RpcServer<WorkloadConnection>
  readonly #admission = new Admission({ connectionsPerUid: maxOfOneUid, connectionsPerProcess: maxOfOneUid, streamsPerUid: 0, streamsPerProcess: 0 })
  readonly #stop = new AbortController()

  constructor(deps: DelegationDeps) {
    this.#deps = deps
    this.#server = new RpcServer<WorkloadConnection>(deps, { maxConnections: maxDelegateConnections, maxReceiveBytes: 65_536, maxConcurrentCalls: maxCallsPerConnection })
    this.#server.add('spire.api.agent.delegatedidentity.v1.DelegatedIdentity', delegatedIdentity<WorkloadConnection>(deps, (connection) => connection))
  }

  /** Call it in the tick that accepted the socket. @throws {MayflyError} it cannot be told who connects */
  accept(socket: Socket): void {
    const connection = this.attested(socket)
    const { caller, processKey } = connection
    const place = this.#admission.connection(caller.uid, processKey)
    if (place === undefined) {
      this.#deps.log.warn({ event: 'admin.refused', code: 'LIMIT_EXCEEDED', uid: caller.uid, pid: caller.pid }, 'a user has too many connections to the admin socket')
      socket.on('error', () => undefined).destroy()
      return
    }
    socket.once('close', () => place[Symbol.dispose]())
    connection.over.addEventListener('abort', () => void this.#farewell(socket), { once: true })
    this.#server.inject(socket, connection)
  }

  /** Who is on the other side, as a workload, for as long as the socket is open. @throws {MayflyError} likewise */
  attested(socket: Socket): WorkloadConnection {
    const connection = WorkloadConnection.of(socket, this.#deps.connections)
    socket.once('close', () => connection[Symbol.dispose]())
    return connection
  }

  async close(drainMs: number): Promise<void> {
    this.#stop.abort()
    await this.#server.close(drainMs)
  }

  async #farewell(socket: Socket): Promise<void> {
    if (socket.destroyed) return
    await this.#deps.clock.sleep(farewellMs, this.#stop.signal).catch(() => undefined) // only aborts
    socket.destroy()
  }
}
