import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { errorCodes } from '../../src/core/errors.ts'

const root = join(import.meta.dirname, '../..')
const sources = ['src', 'server', 'agent'].flatMap((folder) => filesBelow(folder, '.ts')).filter((file) => !file.endsWith('src/core/errors.ts'))

describe('docs/errors.md', () => {
  const rows = firstCells('docs/errors.md')

  test('has one row for each code, and no row for another', () => {
    expect(rows).toEqual(Object.keys(errorCodes))
  })

  test('every code is used by the product', () => {
    const used = new Set(sources.flatMap((file) => read(file).match(/'[A-Z][A-Z_]+'/g) ?? []))
    expect(rows.filter((code) => !used.has(`'${code}'`))).toEqual([])
  })
})

describe('docs/events.md', () => {
  const rows = firstCells('docs/events.md').filter((name) => /^[a-z_]+(\.[a-z_]+)?$/.test(name) && name !== 'event')
  const logged = new Set(sources.flatMap((file) => [...read(file).matchAll(/\bevent: '([a-z_]+\.[a-z_]+)'/g)].map(([, name = '']) => name)))

  test('has a row for each event that is logged', () => {
    expect([...logged].filter((name) => !rows.includes(name))).toEqual([])
  })

  test('has no row for an event that nothing says', () => {
    const text = sources.map(read).join('\n')
    expect(rows.filter((name) => !text.includes(`'${name}'`))).toEqual([])
    expect(new Set(rows).size).toBe(rows.length)
  })
})

describe('links', () => {
  for (const page of ['README.md', 'SECURITY.md', 'CHANGELOG.md', ...filesBelow('docs', '.md')]) {
    test(`${page} points only to what is there`, () => {
      const targets = [...read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target).filter((target) => !/^[a-z]+:/.test(target))
      expect(targets.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([])
    })
  }
})

function firstCells(page: string): readonly string[] {
  return [...read(page).matchAll(/^\| `?([A-Za-z_.]+)`? \|/gm)].map(([, cell = '']) => cell).filter((cell) => cell !== 'code' && cell !== 'event')
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
}
