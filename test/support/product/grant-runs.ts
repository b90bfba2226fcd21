import { readFileSync } from 'node:fs'
import { kill } from 'node:process'
import { join } from 'node:path'
import { LinuxCgroups } from '../../../src/system/linux/cgroups.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { isRoot } from '../processes/processes.ts'
import { jobId } from './grants.ts'
import { main, node24, Program, root } from './process.ts'
import type { JsonLine } from './process.ts'
import type { AgentProcess } from './product.ts'

/** Each tier that this machine has: how an agent is made to bind in it, and the uid that a task needs for it. */
export const bindingTiers: readonly { readonly tier: 'cgroup' | 'pidfd' | 'pid'; readonly agentArgs: readonly string[]; readonly uid: number | undefined }[] = [
  ...(isRoot && LinuxCgroups.open() !== undefined ? [{ tier: 'cgroup', agentArgs: [], uid: 4242 } as const] : []),
  { tier: 'pidfd', agentArgs: ['--binding-tier', 'pidfd'], uid: undefined },
  { tier: 'pid', agentArgs: ['--binding-tier', 'pid'], uid: undefined },
]

/** `mayfly run --do …` with the task of the tests (`test/support/agent/grant-task.ts`) as its command, and what that has said. */
export class GrantRun implements AsyncDisposable {
  readonly wrapper: Program
  /** Of the command. */
  readonly pid: number

  private constructor(wrapper: Program, pid: number) {
    this.wrapper = wrapper
    this.pid = pid
  }

  /** Resolves once the command runs. */
  static async start(agent: AgentProcess, options: { readonly uid?: number | undefined; readonly args?: readonly string[] } = {}): Promise<GrantRun> {
    const { uid, args = [] } = options
    const wrapper = new Program(
      node24,
      [main('src/cli'), 'run', '--socket', agent.workloadSocket, '--as', jobId, '--do', 'write', '--on', 'db:orders', '--reason', 'test', ...args, '--', node24, join(root, 'test/support/agent/grant-task.ts')],
      uid === undefined ? {} : { uid, gid: uid, env: { HOME: '/' } },
    )
    const { pid } = await wrapper.event('ready')
    return new GrantRun(wrapper, Number(pid))
  }

  tell(command: Readonly<Record<string, unknown>>): void {
    this.wrapper.child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  /** The first line of this event, from whatever process, for which it holds. */
  async said(event: string, holds: (line: JsonLine) => boolean = () => true): Promise<JsonLine> {
    return await this.wrapper.line((line) => line['event'] === event && holds(line))
  }

  /** The SVID that the command, or another process of the task that bears this name, is handed. */
  async svid(name = ''): Promise<{ readonly id: string; readonly grantId: string; readonly chain: readonly Uint8Array[] }> {
    if (name === '') this.tell({ do: 'svid' })
    const { id, chain } = await this.said('svid', (line) => line['name'] === name)
    return { id: String(id), grantId: String(id).split('/').at(-1) ?? '', chain: [Buffer.from(String(chain), 'base64')] }
  }

  /** Sends the command a signal. @returns when, by the wall clock */
  signal(name: NodeJS.Signals, pid: number = this.pid): number {
    const atMs = systemClock.nowMs()
    kill(pid, name)
    return atMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of new Set([this.pid, ...this.wrapper.lines.flatMap(({ pid: each }) => (typeof each === 'number' ? [each] : []))])) {
      try {
        kill(pid, 'SIGKILL')
      } catch {
        // it has ended
      }
    }
    await this.wrapper.kill()
    const ids = this.wrapper.lines.flatMap(({ event, id }) => (event === 'svid' ? [String(id).split('/').at(-1) ?? ''] : []))
    for (const id of new Set(ids)) await LinuxCgroups.open()?.release(`${ownCgroup()}/mayfly-${id}`) // where the agent was killed before it could
  }
}

/** Below which those of its children's grants are; empty for the root. */
function ownCgroup(): string {
  const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
  return path === '/' ? '' : path
}
