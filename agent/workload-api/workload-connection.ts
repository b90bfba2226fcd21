import type { Socket } from 'node:net'
import { MayflyError } from '../../src/core/errors.ts'
import type { Attestation } from '../attest/attestation.ts'
import type { WorkloadAttestor } from '../attest/attestor.ts'
import { Caller, processKey } from '../attest/caller.ts'
import type { TierChoice } from '../attest/caller.ts'
import type { ExitWatch, Processes } from '../attest/ports.ts'

export interface WorkloadConnectionDeps {
  readonly processes: Processes
  readonly exitWatch: ExitWatch
  readonly attestor: WorkloadAttestor
  readonly tier: TierChoice
  /** Kinds of selectors that entries ask for now. */
  needs(): ReadonlySet<string>
}

/**
 * One accepted connection and the process that made it. Its facts are read at each {@link attest}; when they change, or the process
 * exits, the connection is over for whoever holds the socket now.
 */
export class WorkloadConnection implements Disposable {
  readonly caller: Caller
  readonly processKey: string
  readonly #deps: WorkloadConnectionDeps
  readonly #over = new AbortController()
  readonly #watch: Disposable | undefined
  #attestation: Attestation | undefined
  #reading: Promise<Attestation> | undefined

  private constructor(caller: Caller, deps: WorkloadConnectionDeps) {
    this.caller = caller
    this.processKey = processKey(caller)
    this.#deps = deps
    this.#watch =
      caller.handle === undefined
        ? undefined
        : deps.exitWatch.watch(caller.handle, () => this.#end(new MayflyError('PROCESS_GONE', `process ${caller.pid}, which made this connection, has exited`)))
  }

  /** Call it in the tick that accepted the socket. @throws {MayflyError} as {@link Caller.of} */
  static of(socket: Socket, deps: WorkloadConnectionDeps): WorkloadConnection {
    const caller = Caller.of(socket, deps.processes, deps.tier)
    try {
      return new WorkloadConnection(caller, deps)
    } catch (error) {
      caller[Symbol.dispose]()
      throw error
    }
  }

  /** A process that an authorized delegate names by its pid: held and attested as one that connected. @throws {MayflyError} as {@link Caller.named} */
  static named(pid: number, deps: WorkloadConnectionDeps): WorkloadConnection {
    const caller = Caller.named(pid, deps.processes)
    try {
      return new WorkloadConnection(caller, deps)
    } catch (error) {
      caller[Symbol.dispose]()
      throw error
    }
  }

  /** Aborts, with the reason, when nothing more may be given to this connection. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** The facts as they are now. @throws {MayflyError} PROCESS_GONE, FACTS_CHANGED: the connection is over; PERMISSION_DENIED, PLATFORM_UNSUPPORTED */
  async attest(): Promise<Attestation> {
    this.#over.signal.throwIfAborted()
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined))
    const attestation = await this.#reading
    this.#over.signal.throwIfAborted()
    return attestation
  }

  [Symbol.dispose](): void {
    this.#end(new MayflyError('CANCELLED', 'the connection was closed'))
    this.#watch?.[Symbol.dispose]()
    this.caller[Symbol.dispose]()
  }

  async #read(): Promise<Attestation> {
    const { attestor } = this.#deps
    try {
      if (this.#attestation === undefined) return (this.#attestation = await attestor.attest(this.caller, this.#deps.needs()))
      const again = await attestor.reattest(this.caller, this.#attestation, this.#deps.needs())
      switch (again.kind) {
        case 'unchanged':
          return (this.#attestation = again.attestation)
        case 'changed':
          throw new MayflyError('FACTS_CHANGED', `process ${this.caller.pid} is no longer what it was when it connected: ${again.what.join(', ')}`, { hint: 'connect again' })
        case 'gone':
          throw new MayflyError('PROCESS_GONE', `process ${this.caller.pid}, which made this connection, has exited`)
        default:
          return again satisfies never
      }
    } catch (error) {
      if (error instanceof MayflyError && (error.code === 'FACTS_CHANGED' || error.code === 'PROCESS_GONE')) this.#end(error)
      throw error
    }
  }

  #end(reason: MayflyError): void {
    if (!this.#over.signal.aborted) this.#over.abort(reason)
  }
}
