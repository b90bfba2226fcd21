import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { journalGenesis, journalHash } from '../../../server/journal/chain.ts'
import { applicationId, migrations } from '../../../server/store/sqlite/migrations.ts'
import { Engine, type Decide } from '../../../server/store/sqlite/engine.ts'
import type { JournalRecord } from '../../../server/journal/records.ts'
import { formatSerial, minuteOf } from '../../../src/core/serial.ts'
import { openAt, temporaryFolder } from '../../support/store/open.ts'
import { agentId, nowMs, request, sha256 } from '../../support/store/samples.ts'

const token = (hash: string): JournalRecord => ({ kind: 'token.created', tokenHash: sha256(hash), agentId, expiresAtMs: nowMs + 1_000, by: 'test', atMs: nowMs })
const writes = (...records: readonly JournalRecord[]): Decide<string> => (tables) => ({ records, result: () => `after ${tables.journal.head().seq}` })

test('a command that fails when it has written half is undone alone, and those beside it stand', () => {
  const engine = new Engine({ path: ':memory:', readOnly: false })
  engine.openDomain('example.org', nowMs)
  const { outcomes, records } = engine.commit([writes(token('one')), writes(token('two'), token('one')), writes(token('three'))])
  expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, true])
  expect(records.map(({ seq, kind }) => [seq, kind])).toEqual([[2, 'token.created'], [3, 'token.created']])
  expect(outcomes[2]).toEqual({ ok: true, value: 'after 3' })
  const spent = engine.commit([writes(token('two'))]).outcomes // its first half is gone too
  expect(spent).toEqual([{ ok: true, value: 'after 4' }])
  expect([...engine.verify()]).toEqual([])
  engine.close()
})

test('a store from before unreleased rows had a table of their own has the same rows unreleased, and replays', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'mayfly.db')
  const before = new DatabaseSync(path)
  const version = migrations.findIndex((sql) => sql.includes('CREATE TABLE unreleased'))
  for (const sql of migrations.slice(0, version)) before.exec(sql)
  before.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}`)
  const { random: _random, ...written } = request(1)
  const credentials = [0, 1, 2].map((index) => ({ ...written, serial: formatSerial({ shard: 1, minute: minuteOf(written.notAfterMs), index, random: new Uint8Array(8).fill(index) }) }))
  const [first = '', second = '', third = ''] = credentials.map(({ serial }) => serial)
  const records: JournalRecord[] = [
    { kind: 'domain.created', trustDomain: 'example.org', shard: 1, epoch: 1, atMs: nowMs },
    { kind: 'credentials.reserved', credentials, atMs: nowMs },
    { kind: 'credentials.released', serials: [second], atMs: nowMs },
  ]
  let hash = journalGenesis
  for (const [at, { kind, ...rest }] of records.entries()) {
    before.prepare('INSERT INTO journal VALUES (?, ?, ?, ?)').run(at + 1, kind, JSON.stringify(rest), hash)
    hash = journalHash(at + 1, hash, kind, JSON.stringify(rest))
  }
  before.prepare('INSERT INTO domain (trust_domain, shard, epoch, created_at_ms, bundle_sequence, pruned_before_ms) VALUES (?, 1, 1, ?, 0, 0)').run('example.org', nowMs)
  before.prepare('INSERT INTO buckets VALUES (?, 1, 3)').run(minuteOf(written.notAfterMs))
  for (const { serial, kind, spiffeId, entryId = '', owner, publicKeyHash, authorityId, notBeforeMs, notAfterMs } of credentials) {
    before
      .prepare('INSERT INTO ledger (serial, kind, spiffe_id, entry_id, agent_id, owner, public_key_hash, authority_id, not_before_ms, not_after_ms, issued_at_ms, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(Buffer.from(serial, 'hex'), kind, spiffeId, entryId, agentId, owner, Buffer.from(publicKeyHash, 'hex'), Buffer.from(authorityId, 'hex'), notBeforeMs, notAfterMs, nowMs, serial === second ? 'released' : 'reserved')
  }
  before.close()

  await using store = await openAt(path)
  await store.journal.verify()
  expect((await store.credentials.list({}, { size: 10 })).items.map(({ serial, state }) => [serial, state])).toEqual([[first, 'reserved'], [second, 'released'], [third, 'reserved']])
  expect(await store.credentials.count({ liveAtMs: nowMs })).toBe(3)
  expect(await store.credentials.abandonUnreleased(nowMs)).toBe(2)
  await store.journal.verify()
})
