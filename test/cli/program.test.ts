import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { whyNotRun, whyNotStarted } from '../../src/cli/program.ts'

const dir = mkdtempSync(join(tmpdir(), 'mf-'))
afterAll(() => rmSync(dir, { recursive: true }))
const file = (name: string, mode: number): string => {
  writeFileSync(join(dir, name), '#!/bin/sh\n', { mode })
  return join(dir, name)
}

test('a program is found as a shell finds it: on the PATH, or by its path', () => {
  file('tool', 0o755)
  expect(whyNotRun('tool', `/nowhere:${dir}`)).toBeUndefined()
  expect(whyNotRun(join(dir, 'tool'), '')).toBeUndefined()
  expect(whyNotRun('sh')).toBeUndefined()
})

test('a folder of the PATH that may not be looked into, or is none, keeps nobody from the next', () => {
  file('none', 0o644)
  symlinkSync('loop', join(dir, 'loop'))
  expect(whyNotRun('tool', `${join(dir, 'loop')}:${join(dir, 'none')}:${dir}`)).toBeUndefined()
  expect(whyNotRun('tool', join(dir, 'loop'))?.exitCode).toBe(127)
  expect(whyNotRun(join(dir, 'loop'))?.exitCode).toBe(126)
})

test('127 for what is not there, 126 for what cannot be executed', () => {
  mkdirSync(join(dir, 'folder'))
  expect(whyNotRun('tool-that-is-not', `/nowhere:${dir}`)).toMatchObject({ exitCode: 127, text: expect.stringContaining('cannot run tool-that-is-not: there is no such program\nhint: ') })
  expect(whyNotRun(join(dir, 'not', 'there'))?.exitCode).toBe(127)
  expect(whyNotRun('', dir)?.exitCode).toBe(127)
  expect(whyNotRun('folder', dir)?.exitCode).toBe(127)
  expect(whyNotRun(join(dir, 'folder'))?.exitCode).toBe(126)
  expect(whyNotRun(file('text', 0o644))?.exitCode).toBe(126)
  expect(whyNotRun('text', dir)?.exitCode).toBe(126)
})

test('what the system refused to start is told in the same words', () => {
  expect(whyNotStarted('tool', Object.assign(new Error('spawn'), { code: 'ENOENT' })).exitCode).toBe(127)
  expect(whyNotStarted('tool', Object.assign(new Error('spawn'), { code: 'EACCES' })).exitCode).toBe(126)
})
