import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { wireTable } from './wire-table.ts'

const root = join(import.meta.dirname, '../..')
const vectors = join(root, 'test/vectors')

/** Besides, test/vectors/wire-shape.txt holds what is SPIRE's. */
test.each(readdirSync(vectors).filter((name) => /^wire-\d.*\.txt$/.test(name)))('the wire only grows: all of %s is still there, under the same numbers and types', (name) => {
  const before = readFileSync(join(vectors, name), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const now = new Set(wireTable(join(root, 'proto'), readdirSync(join(root, 'proto/mayfly/v1')).map((file) => `mayfly/v1/${file}`)))
  expect(before.length).toBeGreaterThan(500)
  expect(before.filter((line) => !now.has(line))).toEqual([])
})
