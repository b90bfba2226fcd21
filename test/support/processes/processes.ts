import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const isRoot: boolean = process.geteuid?.() === 0

/** What a test cannot go on without. */
export function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('missing')
  return value
}

/** Prints, once for a file, what is not tested and why. */
export function skipAloud(what: string): void {
  process.stderr.write(`SKIPPED: ${what}\n`)
}

/** A Unix socket that any user may connect to, for one test. `onAccept` runs in the tick that accepts. */
export class Listener<T> implements AsyncDisposable {
  readonly path: string
  readonly directory: string
  readonly #server: Server
  readonly #accepted: Accepted<T>[] = []
  readonly #waiting: ((accepted: Accepted<T>) => void)[] = []
  readonly #sockets = new Set<Socket>()

  private constructor(directory: string, server: Server, onAccept: (socket: Socket) => T) {
    this.directory = directory
    this.path = join(directory, 's')
    this.#server = server
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      const accepted = { socket, value: onAccept(socket) }
      const next = this.#waiting.shift()
      if (next === undefined) this.#accepted.push(accepted)
      else next(accepted)
    })
  }

  static async open<T>(onAccept: (socket: Socket) => T): Promise<Listener<T>> {
    const directory = await mkdtemp(join(tmpdir(), 'mf-'))
    await chmod(directory, 0o755)
    const server = createServer()
    const listener = new Listener(directory, server, onAccept)
    server.listen(listener.path)
    await once(server, 'listening')
    await chmod(listener.path, 0o777)
    return listener
  }

  async accepted(): Promise<Accepted<T>> {
    const ready = this.#accepted.shift()
    return ready ?? new Promise((resolve) => this.#waiting.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.directory, { recursive: true, force: true })
  }
}

interface Accepted<T> {
  readonly socket: Socket
  readonly value: T
}

interface WorkloadOptions {
  readonly socket: string
  readonly uid?: number
  readonly gid?: number
  readonly groups?: readonly number[]
  readonly connections?: number
}

/** A real process that has connected to a socket and does as it is told (`workload.mjs`). Killed when the test ends. */
export class Workload implements AsyncDisposable {
  readonly pid: number
  readonly exited: Promise<unknown>
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, exited: Promise<unknown>) {
    this.#child = child
    this.#lines = lines
    this.pid = child.pid ?? 0
    this.exited = exited
  }

  /** @param program another binary of Node to run it with. */
  static async start(options: WorkloadOptions, program: string = process.execPath): Promise<Workload> {
    const child = spawn(program, [new URL('workload.mjs', import.meta.url).pathname, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'], env: {} })
    child.stdin.on('error', () => undefined)
    const exited = once(child, 'exit')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    await lines.next()
    return new Workload(child, lines, exited)
  }

  /** Sends a command and waits for the answer. */
  async tell(command: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    this.send(command)
    const answer = await this.#lines.next()
    return answer.done === true ? {} : (JSON.parse(answer.value) as Record<string, unknown>) // workload.mjs writes objects
  }

  /** Sends a command that has no answer. */
  send(command: Readonly<Record<string, unknown>>): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
