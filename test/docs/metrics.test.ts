import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { agentCatalogue } from '../../src/metrics/agent-catalogue.ts'
import type { Catalogue } from '../../src/metrics/catalogue.ts'
import { relayCatalogue } from '../../src/metrics/relay-catalogue.ts'
import { serverCatalogue } from '../../src/metrics/server-catalogue.ts'
import { verifierCatalogue } from '../../src/metrics/verifier-catalogue.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
const all: Catalogue = { ...serverCatalogue, ...agentCatalogue, ...relayCatalogue, ...verifierCatalogue }

describe('docs/metrics.md', () => {
  test('has one row for each metric, as the catalogue describes it, and no row for another', () => {
    const rows = [...page.matchAll(/^\| `((?:mayfly|process|nodejs)_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm)].map(([, name, kind, labels = '', help]) => ({ name, kind, labels: labels.trim(), help }))
    const wanted = Object.entries(all).map(([name, { kind, labels = [], help }]) => ({ name, kind, labels: labels.map((label) => `\`${label}\``).join(', '), help }))
    expect(rows.toSorted(byName)).toEqual(wanted.toSorted(byName))
  })

  test('every alert stands on metrics and labels that exist', () => {
    const expressions = [...page.matchAll(/^\s+expr: (.*)$/gm)].map(([, text = '']) => text)
    expect(expressions.length).toBeGreaterThanOrEqual(10)
    const named = expressions.flatMap((text) => text.match(/\b(?:mayfly|process|nodejs)_\w+/g) ?? [])
    expect(named.filter((name) => !Object.hasOwn(all, name.replace(/_(bucket|sum|count)$/, '')))).toEqual([])
  })
})

describe('the catalogue', () => {
  test('each metric is measured somewhere, and nothing is measured that is not in it', () => {
    const sources = ['server/metrics.ts', 'agent/metrics.ts', 'agent/relay/metrics.ts', 'src/metrics/common.ts', 'src/verify/metrics.ts'].map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
    const measured = new Set([...sources.matchAll(/'((?:mayfly|process|nodejs)_\w+)'|^\s+(mayfly_\w+):/gm)].map(([, name, key]) => name ?? key ?? ''))
    expect([...measured].toSorted()).toEqual(Object.keys(all).toSorted())
  })

  test('names carry their unit: counters end in _total, histograms and times in _seconds', () => {
    for (const [name, { kind }] of Object.entries(all)) {
      expect(name.endsWith('_total'), name).toBe(kind === 'counter')
      if (kind === 'histogram') expect(name, name).toMatch(/_seconds$/)
    }
  })
})

function byName(left: { readonly name: string | undefined }, right: { readonly name: string | undefined }): number {
  return (left.name ?? '').localeCompare(right.name ?? '')
}
