import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { childrenOf, pidKnownAs } from '../../../src/system/linux/children.ts'
import { skipAloud } from '../../support/processes/processes.ts'

const inNamespace = ['--pid', '--fork', '--kill-child', ...(process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'])]
const hasNamespaces = spawnSync('unshare', [...inNamespace, 'true']).status === 0
if (!hasNamespaces) skipAloud('pid namespaces: unshare makes none here')

const started: ChildProcess[] = []

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }
})

async function start(command: string, args: readonly string[]): Promise<{ readonly pid: number; readonly said: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  const [said]: readonly unknown[] = await once(child.stdout.setEncoding('utf8'), 'data')
  return { pid: child.pid ?? 0, said: String(said).trim() }
}

describe('children', () => {
  test('of any thread are found', async () => {
    const script = `new (require('node:worker_threads').Worker)("const child = require('node:child_process').spawn('sleep', ['60']); console.log(child.pid)", { eval: true })`
    const { pid, said } = await start(process.execPath, ['-e', script])
    const known = Number(said)
    expect(childrenOf(pid)).toEqual([known])
    process.kill(known, 'SIGKILL')
  })

  test('nobody has none', () => {
    expect(childrenOf(2 ** 31 - 1)).toEqual([])
  })
})

describe('a pid', () => {
  test('in one namespace is what it is', () => {
    expect(pidKnownAs(7, process.pid)).toBe(7)
  })

  test.skipIf(!hasNamespaces)('in a container is found by what it is called there, of its own parent only', async () => {
    const { pid, said } = await start('unshare', [...inNamespace, 'sh', '-c', 'sleep 60 & echo $!; wait'])
    const [shell = 0] = childrenOf(pid)
    const [sleep = 0] = childrenOf(shell)
    const known = Number(said)
    expect(sleep).not.toBe(known)
    expect(pidKnownAs(known, shell)).toBe(sleep)
    expect(pidKnownAs(known + 1, shell)).toBeUndefined()
    expect(pidKnownAs(1, shell)).toBeUndefined()
  })
})
