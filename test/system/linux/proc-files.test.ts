import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { parseProcStat } from '../../../src/core/proc/stat.ts'
import { parseProcStatus } from '../../../src/core/proc/status.ts'
import { readProcFile as read, type ProcFile } from '../../../src/system/linux/proc-files.ts'

const children: ChildProcess[] = []
const readProcFile = (pid: number, name: ProcFile): string | undefined => read(pid, name, true)

afterEach(async () => {
  await Promise.all(children.splice(0).map(stop))
})

test('what is read again is what the process is now', () => {
  const before = parseProcStatus(readProcFile(process.pid, 'status') ?? '')
  process.umask(process.umask())
  expect(before).toEqual(parseProcStatus(readFileSync('/proc/self/status', 'utf8')))
  const threads = (): string | undefined => /^Threads:\t(\d+)$/m.exec(readProcFile(process.pid, 'status') ?? '')?.[1]
  expect(threads()).toBe(/^Threads:\t(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
})

test('a name that a process gives itself is seen at the next reading', async () => {
  const child = start(process.execPath, ['-e', "process.stdin.once('data', () => { process.title = 'renamed'; process.stdout.write('.') })"])
  await once(child, 'spawn')
  const { pid = 0 } = child
  expect(parseProcStat(readProcFile(pid, 'stat') ?? '')?.comm).not.toBe('renamed')
  child.stdin?.write('x')
  if (child.stdout !== null) await once(child.stdout, 'data')
  expect(parseProcStat(readProcFile(pid, 'stat') ?? '')?.comm).toBe('renamed')
})

test('of a process that has exited nothing is read, whatever is kept open of it', async () => {
  const child = start('sleep', ['60'])
  await once(child, 'spawn')
  const { pid = 0 } = child
  for (const name of ['stat', 'status', 'cgroup'] as const) expect(readProcFile(pid, name)).toBeDefined()
  await stop(child)
  for (const name of ['stat', 'status', 'cgroup'] as const) expect(readProcFile(pid, name)).toBeUndefined()
  expect(heldOf(pid)).toBe(0)
})

test('three descriptors a process, of at most sixty-four processes', async () => {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
  while (pids.length < 80) {
    const child = start('sleep', ['60'])
    await once(child, 'spawn')
    pids.push(child.pid ?? 0)
  }
  for (let time = 0; time < 3; time++) for (const pid of pids) for (const name of ['stat', 'status', 'cgroup'] as const) readProcFile(pid, name)
  expect(held().length).toBeLessThanOrEqual(64 * 3)
})

test('nothing stays open of a process that is read once', async () => {
  const child = start('sleep', ['60'])
  await once(child, 'spawn')
  const { pid = 0 } = child
  expect(read(pid, 'stat', false)).toContain('sleep')
  expect(heldOf(pid)).toBe(0)
})

test('a pid that nobody has is nobody', () => {
  expect(readProcFile(2 ** 22 + 1, 'stat')).toBeUndefined()
})

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  children.push(child)
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** What this process holds open below /proc. */
function held(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return /^\/proc\/\d+\/(stat|status|cgroup)$/.test(target) ? [target] : []
    } catch {
      return [] // the folder's own
    }
  })
}

function heldOf(pid: number): number {
  return held().filter((path) => path.startsWith(`/proc/${pid}/`)).length
}
