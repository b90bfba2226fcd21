import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { spanCatalogue } from '../../src/tracing/catalogue.ts'

const root = join(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

test('docs/tracing.md has one row for each span, as the catalogue describes it', () => {
  const rows = [...read('docs/tracing.md').matchAll(/^\| `(mayfly\.[\w.]+)` \| (\w+) \| (.*) \| (.*) \|$/gm)].map(([, name, of, help, attributes]) => ({ name, of, help, attributes }))
  expect(rows).toEqual(Object.entries(spanCatalogue).map(([name, { of, help, attributes }]) => ({ name, of, help, attributes: attributes.map((attribute) => `\`${attribute}\``).join(', ') })))
})

test('every span that is begun is in the catalogue, and every one of the catalogue is begun', () => {
  const text = ['server/tracing.ts', 'agent/tracing.ts', 'src/tracing/call-spans.ts'].map(read).join('\n')
  const steps = [...read('server/ca/pipeline.ts').matchAll(/#step\('(\w+)'/g)].map(([, step = '']) => `mayfly.issue.${step}`)
  const begun = [...text.matchAll(/start\('(mayfly\.[\w.]+)'/g)].map(([, name = '']) => name)
  expect([...begun, ...steps].toSorted()).toEqual(Object.keys(spanCatalogue).toSorted())
})
