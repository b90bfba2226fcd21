import { describe, expect, test } from 'vitest'
import { explain } from '../../../agent/api/explain.ts'
import type { Attestation } from '../../../agent/attest/attestation.ts'
import { parseSelector } from '../../../src/core/selector.ts'
import { anEntry } from '../../support/agent/entries.ts'

const selectors = ['unix:uid:1000', 'unix:gid:100'].map(parseSelector)
const attestation: Attestation = {
  pid: 42,
  startTicks: 1,
  uid: 1000,
  gid: 100,
  groups: [],
  path: undefined,
  sha256: undefined,
  executable: { kind: 'unreadable' },
  cgroup: undefined,
  tier: 'pidfd',
  selectors,
  facts: new Set(['unix:uid:1000', 'unix:gid:100']),
  missing: [{ kind: 'unix:path', why: 'the agent may not read which file runs' }],
}

describe('why a process has the identities it has', () => {
  test('what matched comes first, then the nearest miss, each with what it lacks', () => {
    const { entries } = explain(attestation, [anEntry('far', { selectors: ['unix:uid:1', 'unix:gid:1'] }), anEntry('near', { selectors: ['unix:uid:1000', 'unix:gid:7'] }), anEntry('hit', { selectors: ['unix:uid:1000'] })], 0)
    expect(entries?.map(({ entryId, matched, missingSelectors }) => [entryId, matched, missingSelectors])).toEqual([
      ['hit', true, []],
      ['near', false, ['unix:gid:7']],
      ['far', false, ['unix:uid:1', 'unix:gid:1']],
    ])
  })

  test('an entry that names the node is no miss: what mends a process is never done to it', () => {
    const { entries } = explain(attestation, [anEntry('alias', { selectors: ['spiffe_id:spiffe://example.org/spire/agent/x/y'] }), anEntry('near', { selectors: ['unix:uid:1000', 'unix:gid:7'] })], 0)
    expect(entries?.map(({ entryId }) => entryId)).toEqual(['near'])
  })

  test('a fact that could not be had says why', () => {
    const { entries } = explain(attestation, [anEntry('a', { selectors: ['unix:path:/bin/a'] })], 0)
    expect(entries?.[0]?.note).toBe('unix:path: the agent may not read which file runs')
  })

  test('an entry that has expired does not match, and says so', () => {
    const { entries } = explain(attestation, [anEntry('a', { selectors: ['unix:uid:1000'], expiresAtSeconds: 1 })], 2_000)
    expect(entries?.[0]).toMatchObject({ matched: false, note: 'the entry has expired' })
  })
})
