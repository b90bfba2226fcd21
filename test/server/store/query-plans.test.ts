import { expect, test } from 'vitest'
import { live, ofAgent, ofEntry, revocable } from '../../../server/store/sqlite/commands/ending.ts'
import { openScratch } from '../../../server/store/sqlite/database.ts'
import { ofKey, ofKeyOf, ofSpiffeId, unreleased, type LedgerCondition } from '../../../server/store/sqlite/tables/ledger.ts'
import { Tables } from '../../../server/store/sqlite/tables/tables.ts'
import { agentId, nowMs } from '../../support/store/samples.ts'

const key = new Uint8Array(32)
const ended: readonly [string, LedgerCondition, RegExp][] = [
  ['a key', ofKey(key), /INDEX ledger_public_key/],
  ['a key as another credential has it', ofKeyOf(new Uint8Array(17)), /INDEX ledger_public_key/],
  ['an entry', ofEntry('entry-1'), /INDEX ledger_entry/],
  ['an agent', ofAgent(agentId), /INDEX ledger_agent/],
  ['a SPIFFE ID', ofSpiffeId(agentId), /INDEX ledger_spiffe_id/],
]

function planOf(sql: string, values: LedgerCondition['values']): string {
  const database = openScratch()
  const steps = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values)
  database.close()
  return steps.map((step) => String(step['detail'])).join('; ')
}

test.for(ended)('what is issued to %s is found without a look at every credential', ([, condition, index]) => {
  for (const { sql, values } of [live(condition, nowMs), revocable(condition, nowMs)]) {
    const plan = planOf(`SELECT serial FROM ledger WHERE ${sql} ORDER BY serial`, values)
    expect(plan).toMatch(index)
    expect(plan).not.toMatch(/SCAN ledger/)
  }
})

test('what is not released, and what ends after a time, is found by serial', () => {
  expect(planOf(`SELECT spiffe_id FROM ledger WHERE ${unreleased.sql}`, unreleased.values)).toMatch(/SEARCH ledger USING PRIMARY KEY/)
  const database = openScratch()
  const tables = new Tables(database)
  tables.domain.create('example.org', 1, 1, nowMs)
  const { sql, values } = tables.ledger.endingAfter(nowMs)
  database.close()
  expect(planOf(`SELECT count(*) FROM ledger WHERE state = 'released' AND ${sql}`, values)).toMatch(/SEARCH ledger USING PRIMARY KEY/)
})
