import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/frameworks.md'), 'utf8')

/** What each list consists of: the beginnings of its rows, in order. */
const lists: readonly (readonly [heading: string, items: readonly string[]])[] = [
  ['OWASP Non-Human Identities Top 10 (2025)', numbered('NHI', 10)],
  ['OWASP Top 10 for Agentic Applications (2026)', numbered('ASI', 10, 2)],
  ['NIST CSF 2.0', ['GV.OC', 'GV.RM', 'GV.RR', 'GV.PO', 'GV.OV', 'GV.SC', 'ID.AM', 'ID.RA', 'ID.IM', 'PR.AA', 'PR.AT', 'PR.DS', 'PR.PS', 'PR.IR', 'DE.CM', 'DE.AE', 'RS.MA', 'RS.AN', 'RS.CO', 'RS.MI', 'RC.RP', 'RC.CO']],
  ['NIST AI RMF 1.0', [...numbered('GOVERN ', 6), ...numbered('MAP ', 5), ...numbered('MEASURE ', 4), ...numbered('MANAGE ', 4)]],
  ['NIST SP 800-63-4', ['800-63-4', '800-63A-4', '800-63B-4', '800-63B-4', '800-63B-4', '800-63C-4']],
  ['NIST SP 800-207A', ['Encryption', 'Service identity', 'Service-to-service', 'End-user authentication', 'End-user-to-resource', 'Continuous', 'Policy']],
  ['CSA MAESTRO', numbered('', 7)],
]

describe('docs/frameworks.md', () => {
  test.for(lists)('%s: every item has its row', ([heading, items]) => {
    const found = rowsOf(heading).map(([item]) => item)
    expect(found).toHaveLength(items.length)
    for (const [at, item] of items.entries()) expect(found[at]).toMatch(new RegExp(`^${item.replaceAll('.', '\\.')}(?: |$)`))
  })

  test('every row names a feature and tests that there are, or says that it does not apply', () => {
    for (const [heading] of lists) {
      for (const [item, feature = '', shown = ''] of rowsOf(heading)) {
        const tests = [...shown.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path)
        if (shown === '–') expect(feature, item).toMatch(/^does not apply/)
        else expect(tests.length, item).toBeGreaterThan(0)
        expect(tests.filter((path) => !path.endsWith('.test.ts') || !existsSync(join(root, path))), item).toEqual([])
      }
    }
  })
})

/** Cells of the rows below a heading. */
function rowsOf(heading: string): readonly (readonly string[])[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(2).map((line) => line.slice(2, -2).split(' | '))
}

function numbered(prefix: string, count: number, digits = 1): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${String(at + 1).padStart(digits, '0')}`)
}
