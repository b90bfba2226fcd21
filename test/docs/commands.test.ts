import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { find, table } from '../../src/cli/table.ts'
import { root } from '../support/product/process.ts'

const pages = ['README.md', 'SECURITY.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => join('docs', name))]
const groups = new Set(table.flatMap(({ name }) => (name.includes(' ') ? [name.split(' ')[0] ?? ''] : [])))

describe('what a page tells people to type is a command', () => {
  test.each(pages)('%s', async (page) => {
    const unknown: string[] = []
    for (const words of commandsIn(readFileSync(join(root, page), 'utf8'))) {
      const found = find(words)
      const problem = found.kind === 'command' ? await strangeOption(words, found.row.name) : found.kind === 'group' && words.length === 1 ? undefined : 'no such command'
      if (problem !== undefined) unknown.push(`mayfly ${words.join(' ')}: ${problem}`)
    }
    expect(unknown).toEqual([])
  })
})

/** Options that the command does not have. */
async function strangeOption(words: readonly string[], name: string): Promise<string | undefined> {
  const row = table.find((one) => one.name === name)
  const options = new Set([...Object.keys((await row?.load())?.command.options ?? {}), 'json', 'help'])
  const end = words.indexOf('--')
  const strange = (end < 0 ? words : words.slice(0, end)).find((word) => /^--[a-z]/.test(word) && !options.has(word.slice(2).replace(/[=].*$/, '')))
  return strange === undefined ? undefined : `no option ${strange}`
}

/** `mayfly …` in code: between backticks, or at the start of a line of a fenced block or after a prompt, a pipe, `&&`, `$(` or `xargs`. */
function commandsIn(text: string): string[][] {
  const fenced = [...text.matchAll(/^```[a-z]*\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'))
  const inline = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  const commands = [...fenced.flatMap((line) => [...line.matchAll(/(?:^|[|&;] ?|\$\(|xargs |\$ )\s*mayfly ([a-z].*)/g)]), ...inline.flatMap((code) => [...code.matchAll(/^mayfly ([a-z].*)/g)])]
  return commands.flatMap(([, rest = '']) => {
    const words = rest.split(/\s+(?:#|\||&&|;|>|<\()|\)/, 1)[0]?.trim().split(/\s+/) ?? []
    const isPlaceholder = words.some((word) => word.includes('…') && word !== '…') || words[0]?.endsWith(':') === true
    if (isPlaceholder || !(groups.has(words[0] ?? '') || /^[a-z0-9-]+$/.test(words[0] ?? ''))) return []
    // `authority show|taint` is two commands
    const [group = '', names = '', ...more] = words
    return groups.has(group) && names.includes('|') ? names.split('|').map((name) => [group, name, ...more]) : [words]
  })
}
