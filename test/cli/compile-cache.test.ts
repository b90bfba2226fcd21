import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, expect, test } from 'vitest'

let home: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mf-'))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

/** What a command's own process has of the variable, and what a user's program gets. */
function seen(env: NodeJS.ProcessEnv): unknown {
  const program = `const { keepCompiledCode, givenEnvironment } = await import(${JSON.stringify(new URL('../../src/cli/compile-cache.ts', import.meta.url).href)})
keepCompiledCode()
const theirs = givenEnvironment()
console.log(JSON.stringify({ ours: process.env.NODE_COMPILE_CACHE, theirs: theirs.NODE_COMPILE_CACHE ?? null, home: theirs.HOME }))`
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' }))
}

test("a user's program is not told where our code is kept compiled, and has the rest of its environment", () => {
  expect(seen({ HOME: home })).toEqual({ ours: join(home, '.cache/mayfly/compile'), theirs: null, home })
})

test('a folder that the user named is used, and passed on', () => {
  const folder = join(home, 'mine')
  expect(seen({ HOME: home, NODE_COMPILE_CACHE: folder })).toEqual({ ours: folder, theirs: folder, home })
})
