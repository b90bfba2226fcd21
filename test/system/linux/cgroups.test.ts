import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { LinuxCgroups } from '../../../src/system/linux/cgroups.ts'
import { cgroupOf, cgroupOwners } from '../../../src/system/linux/proc.ts'
import { skipAloud } from '../../support/processes/processes.ts'

const cgroups = LinuxCgroups.open()
if (cgroups === undefined) skipAloud('cgroups: they need root and a mounted version 2')

test.skipIf(cgroups === undefined)('a process is moved with all that descend from it, below where it was, and back', async () => {
  if (cgroups === undefined) return
  const shell = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'])
  try {
    const [line]: readonly unknown[] = await once(shell.stdout.setEncoding('utf8'), 'data')
    const child = Number(line)
    const before = cgroupOf(shell.pid ?? 0)
    const path = cgroups.confine(shell.pid ?? 0, `mayfly-test-${process.pid}`)
    expect(path).toBe(`${before === '/' ? '' : (before ?? '')}/mayfly-test-${process.pid}`)
    expect([cgroupOf(shell.pid ?? 0), cgroupOf(child)]).toEqual([path, path])
    expect(cgroupOwners(path ?? '')?.every(({ uid, mode }) => uid === 0 && (mode & 0o022) === 0)).toBe(true)
    expect(cgroups.populated(path ?? '')).toBe(true)
    await cgroups.release(path ?? '')
    expect([cgroupOf(shell.pid ?? 0), cgroupOf(child)]).toEqual([before, before])
    expect(cgroups.populated(path ?? '')).toBeUndefined()
  } finally {
    shell.kill('SIGKILL')
  }
})

test.skipIf(cgroups === undefined)('the end of the last process is seen', async () => {
  if (cgroups === undefined) return
  const child = spawn('sleep', ['60'])
  const path = cgroups.confine(child.pid ?? 0, `mayfly-last-${process.pid}`) ?? ''
  const emptied = Promise.withResolvers<void>()
  using _ = cgroups.watch(path, () => {
    if (cgroups.populated(path) === false) emptied.resolve()
  })
  child.kill('SIGKILL')
  await emptied.promise
  await cgroups.release(path)
  expect(cgroups.populated(path)).toBeUndefined()
})

test.skipIf(cgroups === undefined)('what is gone cannot be confined, and what is not there is not watched in vain', async () => {
  if (cgroups === undefined) return
  expect(cgroups.confine(2 ** 30, 'mayfly-none')).toBeUndefined()
  const told = Promise.withResolvers<void>()
  using _ = cgroups.watch('/mayfly-none', () => told.resolve())
  await told.promise
  expect(cgroups.populated('/mayfly-none')).toBeUndefined()
})
