import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { errorCodes } from '../../src/core/errors.ts'
import { root } from '../support/product/process.ts'

const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8')
const byCode = [...page.slice(page.indexOf('## By code')).matchAll(/^\| ([A-Z][A-Z_, ]+) \| /gm)].flatMap(([, codes = '']) => codes.split(', '))

test('docs/troubleshooting.md says of each code where it is met and what to look at, once', () => {
  expect(byCode.toSorted()).toEqual(Object.keys(errorCodes).toSorted())
})

test('codes that the sections name are codes', () => {
  const named = [...page.matchAll(/\bcode ([A-Z][A-Z_]+)\b/g)].map(([, code = '']) => code)
  expect(named.length).toBeGreaterThan(15)
  expect(named.filter((code) => !(code in errorCodes))).toEqual([])
})

test('every code of docs/errors.md says what to do', () => {
  const rows = [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| ([A-Z_]+) \| [A-Z_]+ \| (.+) \| (.+) \|$/gm)]
  expect(rows.length).toBeGreaterThan(70)
  for (const [, code, meaning = '', what = ''] of rows) expect([code, meaning.length > 10 && what.length > 5]).toEqual([code, true])
})
