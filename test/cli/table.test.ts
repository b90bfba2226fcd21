import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { parse } from '../../src/cli/arguments.ts'
import { exitCodeOf, exitCodes } from '../../src/cli/exit-code.ts'
import { helpOfCommand } from '../../src/cli/help.ts'
import { find, table } from '../../src/cli/table.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { root } from '../support/product/process.ts'

const documented = readFileSync(join(root, 'docs/cli.md'), 'utf8')

describe.each(table.map((row) => [row.name, row] as const))('mayfly %s', (name, row) => {
  test('has help with a text, every option explained, and examples that are commands', async () => {
    const { command } = await row.load()
    expect(command.about.length).toBeGreaterThan(10)
    expect(Object.values(command.options).filter((spec) => spec.help === '')).toEqual([])
    expect(command.examples.length).toBeGreaterThan(0)
    for (const example of command.examples) expect(example).toContain(`mayfly ${name}`)
    expect(helpOfCommand(name, command)).toContain('--json')
  })

  test('has examples that its own parser takes', async () => {
    const { command } = await row.load()
    for (const example of command.examples.filter((text) => text.startsWith(`mayfly ${name}`) && !/[|>$]/.test(text))) {
      const words = [...example.slice(`mayfly ${name}`.length).matchAll(/'[^']*'|"[^"]*"|\S+/g)].map(([word]) => word.replace(/^(['"])(.*)\1$/s, '$2'))
      expect(() => parse(name, command, words), example).not.toThrow()
    }
  })

  test('is in docs/cli.md', () => {
    expect(documented.split('\n').some((line) => line.startsWith(`| \`${name}`))).toBe(true)
  })
})

describe('finding a command', () => {
  test.each([
    ['entry list --json', 'entry list'],
    ['revoke x', 'revoke'],
    ['x509 fetch', 'x509 fetch'],
  ])('%s is %s', (typed, name) => {
    const found = find(typed.split(' '))
    expect(found.kind === 'command' && found.row.name).toBe(name)
  })

  test('a group alone lists its commands', () => {
    expect(find(['entry'])).toMatchObject({ kind: 'group', name: 'entry' })
  })

  test('a slip of the finger is understood, nonsense is not guessed at', () => {
    expect(find(['entyr', 'list'])).toEqual({ kind: 'unknown', closest: 'entry list' })
    expect(find(['frobnicate'])).toEqual({ kind: 'unknown', closest: undefined })
  })
})

test.each([
  ['NOT_FOUND', exitCodes.notFound],
  ['NO_IDENTITY', exitCodes.denied],
  ['AGENT_BANNED', exitCodes.denied],
  ['UNAVAILABLE', exitCodes.unavailable],
  ['DEADLINE_EXCEEDED', exitCodes.unavailable],
  ['USAGE', exitCodes.usage],
  ['ENTRY_INVALID', exitCodes.failed],
] as const)('%s ends with exit code %i', (code, exit) => {
  expect(exitCodeOf(new MayflyError(code, 'x'))).toBe(exit)
})
