import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

test('each row of docs/holes.md names a test that exists', () => {
  const rows = readFileSync(join(root, 'docs/holes.md'), 'utf8').split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what') && !line.startsWith('| ---'))
  expect(rows.length).toBeGreaterThan(20)
  for (const row of rows) {
    const shown = row.split(' | ').at(-1)?.replace(/ \|$/, '') ?? ''
    const named = [...shown.matchAll(/`([^`]+\.test\.ts)` › (.+?)(?=; `test\/|$)/g)]
    expect(named.length, row).toBeGreaterThan(0)
    for (const [, file = '', title = ''] of named) {
      expect(existsSync(join(root, file)), file).toBe(true)
      const source = readFileSync(join(root, file), 'utf8').replaceAll("\\'", "'")
      expect(source.includes(title), `${file} › ${title}`).toBe(true)
    }
  }
})
