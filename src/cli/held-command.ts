import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { Writable } from 'node:stream'
import { MayflyError } from '../core/errors.ts'
import type { Clock } from '../ports/clock.ts'
import { givenEnvironment } from './compile-cache.ts'
import { passSignals } from './pass-signals.ts'

/** How a command ended. */
export interface CommandEnd {
  readonly kind: 'command'
  /** 128 and the number of the signal when one ended it. */
  readonly exitCode: number
  readonly signal: NodeJS.Signals | undefined
}

/** Waits on descriptor 3 for the path of the socket and the ID of the grant, a line each, then becomes the command: the pid is the same before and after. */
const holdBack = 'IFS= read -r socket <&3 && IFS= read -r grant <&3 || exit 125; exec 3<&-; export "SPIFFE_ENDPOINT_SOCKET=unix://$socket" "MAYFLY_GRANT=$grant"; exec "$@"'

/** A command whose process is there and does nothing yet, so that it can be bound to a grant before it runs. */
export class HeldCommand {
  readonly pid: number
  readonly ended: Promise<CommandEnd>
  readonly #child: ChildProcess

  /** Starts the process, held back. @throws {MayflyError} PLATFORM_UNSUPPORTED */
  static start(argv: readonly string[]): HeldCommand {
    const child = spawn('/bin/sh', ['-c', holdBack, 'mayfly', ...argv], { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env: givenEnvironment() })
    child.on('error', () => undefined) // it has no pid then
    if (child.pid === undefined) throw new MayflyError('PLATFORM_UNSUPPORTED', 'there is no /bin/sh to start the command with')
    return new HeldCommand(child, child.pid)
  }

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child
    this.pid = pid
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ kind: 'command', exitCode: code ?? 128 + constants.signals[signal ?? 'SIGKILL'], signal: signal ?? undefined }))
    })
  }

  /** Lets it run, with the grant's socket in its environment. From here on signals are the command's. */
  go(socket: string, grantId: string): void {
    const pipe = this.#child.stdio[3]
    if (!(pipe instanceof Writable)) throw new MayflyError('INTERNAL', 'the command was started without its pipe')
    pipe.on('error', () => undefined) // it was killed while it was held back: its exit says so
    passSignals((name) => void this.#child.kill(name))
    pipe.end(`${socket}\n${grantId}\n`)
  }

  /** Ends it if it is still there: at once, or with SIGTERM and this long to stop by itself. */
  async stop(graceMs = 0, clock?: Clock): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    if (clock !== undefined && graceMs > 0) {
      this.#child.kill('SIGTERM')
      const stopped = new AbortController()
      await Promise.race([this.ended, clock.sleep(graceMs, stopped.signal).catch(() => undefined)])
      stopped.abort()
    }
    this.#child.kill('SIGKILL')
    await this.ended
  }
}
