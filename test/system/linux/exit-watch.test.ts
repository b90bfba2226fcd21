import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encodeEpollEvent, ExitWatch } from '../../../src/system/linux/exit-watch.ts'
import { Pidfd } from '../../../src/system/linux/pidfd.ts'
import { must } from '../../support/processes/processes.ts'

describe('ExitWatch', () => {
  test('reports the exit of 200 children, each once and each its own', async () => {
    await using watch = ExitWatch.start()
    const children = await Promise.all(Array.from({ length: 200 }, async () => sleeper()))
    const reported: number[] = []
    const all = Promise.withResolvers<undefined>()
    for (const child of children) {
      watch.watch(pidfdOf(child), () => {
        reported.push(pidOf(child))
        if (reported.length === children.length) all.resolve(undefined)
      })
    }
    expect(watch.size).toBe(200)
    for (const child of children) child.kill('SIGKILL')
    await all.promise
    expect(reported.toSorted((a, b) => a - b)).toEqual(children.map(pidOf).toSorted((a, b) => a - b))
    expect(watch.size).toBe(0)
  })

  test('1,000 watches of one process all hear of its exit', async () => {
    await using watch = ExitWatch.start()
    await using stack = new AsyncDisposableStack()
    const child = await sleeper()
    const pidfd = stack.use(pidfdOf(child))
    const heard = Array.from({ length: 1_000 }, async () => {
      const own = stack.use(must(pidfd.duplicate()))
      return new Promise<void>((resolve) => void watch.watch(own, resolve))
    })
    child.kill('SIGKILL')
    await Promise.all(heard)
    expect(watch.size).toBe(0)
  })

  test('reports a process that had exited before, and not from inside watch', async () => {
    await using watch = ExitWatch.start()
    const child = await sleeper()
    const pidfd = pidfdOf(child)
    child.kill('SIGKILL')
    await once(child, 'exit')
    let inside = true
    await new Promise<void>((resolve) => {
      watch.watch(pidfd, () => {
        expect(inside).toBe(false)
        resolve()
      })
      inside = false
    })
    pidfd[Symbol.dispose]()
  })

  test('a disposed watch is silent, the others are not', async () => {
    await using watch = ExitWatch.start()
    const [silent, heard] = [await sleeper(), await sleeper()]
    const pidfd = pidfdOf(silent)
    const reported: string[] = []
    const disposable = watch.watch(pidfd, () => reported.push('silent'))
    const end = new Promise<void>((resolve) => {
      watch.watch(pidfdOf(heard), () => {
        reported.push('heard')
        resolve()
      })
    })
    disposable[Symbol.dispose]()
    disposable[Symbol.dispose]()
    pidfd[Symbol.dispose]()
    silent.kill('SIGKILL')
    await once(silent, 'exit')
    heard.kill('SIGKILL')
    await end
    expect(reported).toEqual(['heard'])
  })

  test('stops at once with watches open, gives back its descriptors, and refuses what comes after', async () => {
    const child = await sleeper()
    using pidfd = pidfdOf(child)
    const before = readdirSync('/proc/self/fd').length
    const watch = ExitWatch.start()
    watch.watch(pidfd, () => expect.unreachable())
    await watch[Symbol.asyncDispose]()
    await watch[Symbol.asyncDispose]()
    expect(readdirSync('/proc/self/fd').length).toBe(before)
    expect(() => watch.watch(pidfd, () => undefined)).toThrow(expect.objectContaining({ code: 'SHUTTING_DOWN' }))
    child.kill('SIGKILL')
  })

  test('a process that calls process.exit with a watch open does exit', () => {
    const script = `import { ExitWatch } from ${JSON.stringify(new URL('../../../src/system/linux/exit-watch.ts', import.meta.url).href)}; ExitWatch.start(); setImmediate(() => process.exit(7))`
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 }).status).toBe(7)
  })

  test('epoll_event is packed on x86-64 and aligned on arm64', () => {
    const event = encodeEpollEvent(0x11223344, 0x0102030405)
    expect(event.length).toBe(process.arch === 'x64' ? 12 : 16)
    expect([...event.subarray(0, 4)]).toEqual([0x44, 0x33, 0x22, 0x11])
    expect([...event.subarray(-8)]).toEqual([5, 4, 3, 2, 1, 0, 0, 0])
  })
})

test('pidfd_open finds no process behind a pid that nobody has', () => {
  expect(Pidfd.open(0x3fffff)).toBeUndefined()
})

async function sleeper(): Promise<ChildProcess> {
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' })
  await once(child, 'spawn')
  return child
}

function pidOf(child: ChildProcess): number {
  return must(child.pid)
}

function pidfdOf(child: ChildProcess): Pidfd {
  return must(Pidfd.open(pidOf(child)))
}
