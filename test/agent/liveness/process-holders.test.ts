import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ProcessHolders } from '../../../agent/liveness/process-holders.ts'
import type { HoldingProcess } from '../../../agent/liveness/process-holders.ts'
import type { ExitWatch as ExitWatchPort } from '../../../agent/attest/ports.ts'
import type { Logger } from '../../../src/ports/logger.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { ExitWatch } from '../../../src/system/linux/exit-watch.ts'
import { linuxProcesses } from '../../../src/system/linux/processes.ts'
import { Pidfd } from '../../../src/system/linux/pidfd.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { must } from '../../support/processes/processes.ts'
import { FakeExitWatch, FakeProcesses } from '../../support/processes/fake-processes.ts'

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

describe('ProcessHolders', () => {
  let processes = new FakeProcesses()
  let exitWatch = new FakeExitWatch()
  let clock = new FakeClock()
  let ended: string[] = []
  let holders = start(exitWatch)

  function start(watch: ExitWatchPort): ProcessHolders {
    return ProcessHolders.start({ pollMs: 500 }, { exitWatch: watch, processes, clock, log: silent, onLastExit: (entryId) => ended.push(entryId) })
  }

  beforeEach(() => {
    processes = new FakeProcesses()
    exitWatch = new FakeExitWatch()
    clock = new FakeClock()
    ended = []
    holders = start(exitWatch)
  })
  afterEach(async () => holders[Symbol.asyncDispose]())

  function holding(pid: number, startTicks: number, pidfd: boolean): HoldingProcess {
    const process = processes.spawn(pid, startTicks)
    return { pid, startTicks, handle: pidfd ? processes.handleOf(process) : undefined }
  }

  test('the exit of the last holder, and only of the last, ends the hold', () => {
    const [one, other] = [holding(1, 10, true), holding(2, 10, true)]
    holders.hold('entry', one)
    holders.hold('entry', other)
    holders.hold('entry', one)
    processes.kill(1)
    exitWatch.fire()
    expect(ended).toEqual([])
    expect(holders.holdersOf('entry')).toEqual([{ pid: 2, startTicks: 10 }])
    processes.kill(2)
    exitWatch.fire()
    expect(ended).toEqual(['entry'])
    expect(holders.counts()).toEqual({ processes: 0, polled: 0, entries: 0 })
  })

  test('one exit ends every entry that the process alone held', () => {
    const [one, other] = [holding(1, 10, true), holding(2, 10, true)]
    for (const entry of ['a', 'b', 'shared']) holders.hold(entry, one)
    holders.hold('shared', other)
    processes.kill(1)
    exitWatch.fire()
    expect(ended.toSorted()).toEqual(['a', 'b'])
  })

  test('a process keeps holding when its connection, and with it the handle that was passed, is closed', () => {
    const one = holding(1, 10, true)
    holders.hold('entry', one)
    one.handle?.[Symbol.dispose]()
    expect(processes.openHandles).toBe(1)
    processes.kill(1)
    exitWatch.fire()
    expect(ended).toEqual(['entry'])
    expect(processes.openHandles).toBe(0)
  })

  test('an entry that was released is not reported, and its processes are let go', () => {
    const one = holding(1, 10, true)
    holders.hold('entry', one)
    one.handle?.[Symbol.dispose]()
    holders.release('entry')
    holders.release('entry')
    processes.kill(1)
    exitWatch.fire()
    expect(ended).toEqual([])
    expect(processes.openHandles).toBe(0)
    expect(exitWatch.watched.size).toBe(0)
  })

  test('a process without a pidfd is found gone by its start time, even when its pid is given again', async () => {
    holders.hold('entry', holding(1, 10, false))
    await clock.advance(5_000)
    expect(ended).toEqual([])
    processes.kill(1)
    processes.spawn(1, 99)
    await clock.advance(500)
    expect(ended).toEqual(['entry'])
    expect(clock.sleeping).toBe(0) // and nobody polls for nobody
    holders.hold('entry', holding(3, 10, false))
    processes.kill(3)
    await clock.advance(500)
    expect(ended).toEqual(['entry', 'entry'])
  })

  test('the same pid with another start time is another holder', () => {
    holders.hold('entry', holding(1, 10, true))
    const reborn = holding(1, 20, true)
    holders.hold('entry', reborn)
    expect(holders.holdersOf('entry')).toHaveLength(2)
  })

  test('when no exit can be watched any more, processes are polled, and nothing leaks', async () => {
    const full: ExitWatchPort = {
      watch: () => {
        throw new Error('no descriptor is left')
      },
    }
    const polling = start(full)
    const one = holding(1, 10, true)
    polling.hold('entry', one)
    expect(polling.counts()).toEqual({ processes: 1, polled: 1, entries: 1 })
    one.handle?.[Symbol.dispose]()
    expect(processes.openHandles).toBe(0)
    processes.kill(1)
    await clock.advance(500)
    expect(ended).toEqual(['entry'])
    await polling[Symbol.asyncDispose]()
  })

  test('after it is disposed nothing is reported, held or open', async () => {
    const one = holding(1, 10, true)
    holders.hold('a', one)
    holders.hold('b', holding(2, 10, false))
    one.handle?.[Symbol.dispose]()
    await holders[Symbol.asyncDispose]()
    holders.hold('a', holding(3, 10, false))
    processes.kill(1)
    processes.kill(2)
    exitWatch.fire()
    await clock.advance(5_000)
    expect(ended).toEqual([])
    expect(processes.openHandles).toBe(0)
    expect(holders.counts()).toEqual({ processes: 0, polled: 0, entries: 0 })
  })

  test('whatever the order of holds, releases and exits, an entry ends exactly when its last holder has, and nothing leaks', async () => {
    const entry = fc.constantFrom('a', 'b', 'c')
    const pid = fc.integer({ min: 1, max: 5 })
    const step = fc.oneof(fc.record({ do: fc.constant('hold' as const), entry, pid }), fc.record({ do: fc.constant('release' as const), entry }), fc.record({ do: fc.constant('exit' as const), pid }))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, pidfd) => {
        const table = new FakeProcesses()
        const watch = new FakeExitWatch()
        const time = new FakeClock()
        const reported: string[] = []
        const expected: string[] = []
        const model = new Map<string, Set<number>>()
        const tested = ProcessHolders.start({ pollMs: 500 }, { exitWatch: watch, processes: table, clock: time, log: silent, onLastExit: (entryId) => reported.push(entryId) })
        let births = 0
        for (const action of steps) {
          if (action.do === 'hold') {
            const process = table.table.get(action.pid) ?? table.spawn(action.pid, ++births)
            const handle = pidfd ? table.handleOf(process) : undefined
            tested.hold(action.entry, { pid: action.pid, startTicks: process.reading.startTicks, handle })
            handle?.[Symbol.dispose]()
            model.set(action.entry, (model.get(action.entry) ?? new Set()).add(action.pid))
          } else if (action.do === 'release') {
            tested.release(action.entry)
            model.delete(action.entry)
          } else {
            table.kill(action.pid)
            watch.fire()
            if (!pidfd) await time.advance(500)
            for (const [name, held] of model) {
              if (!held.delete(action.pid) || held.size > 0) continue
              model.delete(name)
              expected.push(name)
            }
          }
          expect(reported.toSorted()).toEqual(expected.toSorted())
          expect(tested.counts().entries).toBe(model.size)
          expect(tested.counts().processes).toBe(new Set([...model.values()].flatMap((held) => [...held])).size)
          expect(table.openHandles).toBe(pidfd ? tested.counts().processes : 0)
        }
        await tested[Symbol.asyncDispose]()
        expect(table.openHandles).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  test('10,000 processes come and go, and leave nothing behind', () => {
    for (let pid = 1; pid <= 10_000; pid++) {
      const process = holding(pid, pid, true)
      holders.hold(`entry ${pid % 100}`, process)
      process.handle?.[Symbol.dispose]()
    }
    expect(holders.counts()).toEqual({ processes: 10_000, polled: 0, entries: 100 })
    for (let pid = 1; pid <= 10_000; pid++) processes.kill(pid)
    exitWatch.fire()
    expect(ended).toHaveLength(100)
    expect(holders.counts()).toEqual({ processes: 0, polled: 0, entries: 0 })
    expect({ watched: exitWatch.watched.size, open: processes.openHandles }).toEqual({ watched: 0, open: 0 })
  })
})

describe('with real processes', () => {
  test('the exit of the last of 50 children is told, each way of watching alone', async () => {
    await using exitWatch = ExitWatch.start()
    for (const way of ['pidfd', 'start time'] as const) {
      const end = Promise.withResolvers<string>()
      await using holders = ProcessHolders.start({ pollMs: 10 }, { exitWatch, processes: linuxProcesses(), clock: systemClock, log: silent, onLastExit: end.resolve })
      const children = await Promise.all(Array.from({ length: 50 }, async () => sleeper()))
      const before = readdirSync('/proc/self/fd').length
      for (const child of children) {
        const pid = must(child.pid)
        using handle = way === 'pidfd' ? Pidfd.open(pid) : undefined
        holders.hold('entry', { pid, startTicks: must(linuxProcesses().startTicks(pid)), handle })
      }
      expect(holders.counts().polled).toBe(way === 'pidfd' ? 0 : 50)
      for (const child of children) child.kill('SIGKILL')
      expect(await end.promise).toBe('entry')
      expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before)
    }
  })
})

async function sleeper(): Promise<ChildProcess> {
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' })
  await once(child, 'spawn')
  return child
}
