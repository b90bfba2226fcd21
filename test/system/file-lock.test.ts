import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { must } from '../support/processes/processes.ts'
import { FileLock } from '../../src/system/file-lock.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mf-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('FileLock', () => {
  test('a second holder is refused and told who holds it, and gets it once that one is killed', async () => {
    const path = join(directory, 'lock')
    const child = start('hold-lock.mjs', path)
    await once(must(child.stdout), 'data')
    expect(() => FileLock.acquire(path)).toThrow(expect.objectContaining({ code: 'STORE_LOCKED', details: { pid: child.pid } }))
    child.kill('SIGKILL')
    await once(child, 'exit')
    FileLock.acquire(path)[Symbol.dispose]()
  })

  test('is refused within one process too, and given back on dispose', () => {
    const path = join(directory, 'lock')
    {
      using lock = FileLock.acquire(path)
      expect(lock.path).toBe(path)
      expect(() => FileLock.acquire(path)).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }))
    }
    using again = FileLock.acquire(path)
    again[Symbol.dispose]()
  })

  test.skipIf(process.getuid?.() !== 0)(`is had on a full disk too${process.getuid?.() === 0 ? '' : ' (skipped: mounting a tmpfs needs root)'}`, () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory])
    try {
      const path = join(directory, 'lock')
      FileLock.acquire(path)[Symbol.dispose]()
      expect(() => writeFileSync(join(directory, 'ballast'), Buffer.alloc(1_000_000))).toThrow(/ENOSPC/)
      using _lock = FileLock.acquire(path)
      expect(() => FileLock.acquire(path)).toThrow(expect.objectContaining({ code: 'STORE_LOCKED', details: {} }))
    } finally {
      execFileSync('umount', [directory])
    }
  })

  test('a link in its place is not followed', () => {
    symlinkSync(join(directory, 'elsewhere'), join(directory, 'lock'))
    expect(() => FileLock.acquire(join(directory, 'lock'))).toThrow(/ELOOP/)
  })
})

test('the first signal asks to stop, the same one again changes nothing, one that comes later ends the process', async () => {
  const child = start('stop.mjs')
  const out = must(child.stdout)
  await once(out, 'data')
  child.kill('SIGTERM')
  const [said] = await once(out, 'data')
  expect(String(said)).toBe('SHUTTING_DOWN SIGTERM\n')
  await expect.poll(() => (child.kill('SIGINT'), child.signalCode), { timeout: 30_000, interval: 100 }).toBe('SIGINT')
})

function start(helper: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [new URL(`../support/processes/${helper}`, import.meta.url).pathname, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}
