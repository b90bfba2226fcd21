import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const item = /\b(?:ID|TDB|X509|EP|WAPI|WX|WH|FED)-\d\d\b/g
const rows = readFileSync(join(root, 'docs/conformance.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| [A-Z0-9]+-\d\d \|/.test(line))
  .map((line) => {
    const [id = '', level = '', , shownBy = ''] = line.slice(2, -2).split(/ \| ?/)
    return { id, level, files: [...shownBy.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file) }
  })

test('every item of a MUST names a test, and that test names the item', () => {
  const wrong = rows.filter(({ id, level, files }) => (level.startsWith('MUST') && files.length === 0) || files.some((file) => !namedIn(file).has(id)))
  expect(wrong).toEqual([])
})

test('every item that a test names is on the page', () => {
  const listed = new Set(rows.map(({ id }) => id))
  const named = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => [...namedIn(join('test', file))])
  expect(named.filter((id) => !listed.has(id))).toEqual([])
  expect(rows.length).toBeGreaterThan(80)
})

/** Items in the file or, for the grammar of IDs, in the vectors that it runs. */
function namedIn(file: string): ReadonlySet<string> {
  const text = readFileSync(join(root, file), 'utf8')
  const vectors = /vectors\/spiffe-ids\.txt/.test(text) ? readFileSync(join(root, 'test/vectors/spiffe-ids.txt'), 'utf8') : ''
  return new Set((text + vectors).match(item) ?? [])
}
