import { join } from 'node:path'
import { node24, Program, root } from '../product/process.ts'
import type { JsonLine } from '../product/process.ts'

/** What says these when it is answered. */
const calls: Readonly<Record<string, string>> = { ended: 'end', renewed: 'renew' }

/** A task of a test as a process of its own (`grant-task.ts`), and what it has said, read in order. */
export class GrantTask implements AsyncDisposable {
  readonly program: Program

  private constructor(program: Program) {
    this.program = program
  }

  static async start(uid?: number): Promise<GrantTask> {
    const task = new GrantTask(new Program(node24, [join(root, 'test/support/agent/grant-task.ts')], uid === undefined ? {} : { uid, gid: uid }))
    await task.program.event('ready')
    return task
  }

  /** One that was started in some other way. */
  static async of(program: Program): Promise<GrantTask> {
    const task = new GrantTask(program)
    await program.event('ready')
    return task
  }

  get pid(): number {
    return this.program.pid
  }

  tell(command: Readonly<Record<string, unknown>>): void {
    this.program.child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  /** The first line of this event, from whatever process, for which it holds. @throws when the call that would have said so failed */
  async said(event: string, holds: (line: JsonLine) => boolean = () => true): Promise<JsonLine> {
    const call = calls[event]
    const line = await this.program.line((one) => (one['event'] === event && holds(one)) || (call !== undefined && one['event'] === 'failed' && one['do'] === call))
    if (line['event'] === event) return line
    throw new Error(`no ${event}: ${JSON.stringify(line)}`)
  }

  /** Asks for a grant and binds itself to it. */
  async run(socket: string, more: Readonly<Record<string, unknown>> = {}): Promise<{ readonly id: string; readonly socket: string; readonly tier: string; readonly spiffeId: string }> {
    const from = this.program.lines.length
    this.tell({ do: 'run', socket, ...more })
    const line = await this.program.line(({ event, state, do: what }) => (event === 'failed' && (what === 'run' || what === 'bind')) || (event === 'bound' && state === 'active'), from)
    if (line['event'] === 'failed') throw new Error(`it was refused: ${JSON.stringify(line)}`)
    return { id: String(line['id']), socket: String(line['socket']), tier: String(line['tier']), spiffeId: String(line['spiffeId']) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.kill()
  }
}
