import { join } from 'node:path'
import type { RelayStatus__Output } from '../../../proto/generated/mayfly/v1/RelayStatus.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { node24, Program, root } from './process.ts'

/** A relay as a process of its own, which listens at `socket` and wherever else it is told. */
export class RelayProcess implements AsyncDisposable {
  readonly dir: string
  readonly #args: readonly string[]
  program: Program
  /** As it printed them. */
  listening: readonly string[] = []

  private constructor(dir: string, args: readonly string[]) {
    this.dir = dir
    this.#args = args
    this.program = this.#spawn()
  }

  /** Resolves once it listens. @param args upstreams, and further places to listen at */
  static async start(dir: string, args: readonly string[]): Promise<RelayProcess> {
    const relay = new RelayProcess(dir, args)
    await relay.#serving()
    return relay
  }

  get socket(): string {
    return join(this.dir, 'r')
  }

  /** The place of this name among those it listens at: `tls`, `plain`. */
  get tlsAddress(): string {
    return this.listening.find((place) => !place.startsWith('unix:') && !place.startsWith('plain:')) ?? ''
  }

  /** Starts it again on the same data, after it ended. */
  async startAgain(): Promise<void> {
    this.program = this.#spawn()
    await this.#serving()
  }

  async status(): Promise<RelayStatus__Output> {
    using channel = RpcChannel.connectUnix(this.socket, { clock: systemClock })
    return await channel.unary('mayfly.v1.Relays', 'Status', {}, { timeoutMs: 60_000 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.program.child.kill('SIGCONT')
    await this.program.kill('SIGKILL')
  }

  #spawn(): Program {
    const file = process.env['MAYFLY_BUILT'] === undefined ? join(root, 'agent/relay-main.ts') : join(root, 'dist/agent/relay-main.js')
    return new Program(node24, [file, '--while-stdin', '--data', this.dir, '--listen', `unix:${this.socket}`, ...this.#args])
  }

  async #serving(): Promise<void> {
    const { listening } = await this.program.event('serving')
    this.listening = listening as readonly string[] // its own serving line says so
  }
}
