import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { upstreamFindings } from '../../src/cli/doctor/upstream.ts'

const dayMs = 86_400_000
const nowMs = Date.UTC(2026, 0, 1)
const upstream = { subjectKeyId: 'aa', notAfterMs: nowMs + 100 * dayMs, rootsNotAfterMs: nowMs + 1_000 * dayMs, keyPath: '', problem: '' }

test('nothing where each authority signs itself', () => {
  expect(upstreamFindings(null, nowMs)).toEqual([])
})

test.each([
  ['ok', {}],
  ['warn', { notAfterMs: nowMs + 10 * dayMs }],
  ['fail', { notAfterMs: nowMs + 3_600_000 }],
  ['warn', { rootsNotAfterMs: nowMs + 10 * dayMs }],
] as const)('%s, by what ends first: %j', (status, changed) => {
  expect(upstreamFindings({ ...upstream, ...changed }, nowMs)).toMatchObject([{ check: 'server.upstream', status }])
})

test('files that cannot be used are told of, though the one before is good for long', () => {
  expect(upstreamFindings({ ...upstream, problem: 'the upstream authority: a.key is not the key of b.pem' }, nowMs)).toMatchObject([{ check: 'server.upstream', status: 'fail', detail: 'the upstream authority: a.key is not the key of b.pem' }])
})

test('a key that others can read fails, with the command that mends it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [mode, status] of [[0o600, 'ok'], [0o640, 'fail']] as const) {
    const keyPath = join(folder, `key-${mode}`)
    writeFileSync(keyPath, 'key', { mode })
    expect(upstreamFindings({ ...upstream, keyPath }, nowMs)[1]).toMatchObject({ check: 'server.upstream_key', status })
  }
})
