import { expect, test } from 'vitest'

import { StoreHealth } from '../../server/store-health.ts'
import type { MayflyError } from '../../src/core/errors.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { workerWith } from '../support/store/faults.ts'
import { openAt } from '../support/store/open.ts'
import { by, spec } from '../support/store/samples.ts'

test('a store that refuses changes says so once a minute, with the cause, and when it takes them again', async () => {
  const clock = new FakeClock()
  const log = new KeptLog()
  await using store = await openAt(':memory:', { workerUrl: workerWith({ step: 'commit', action: 'disk full', nth: 2, times: 3 }) })
  using health = new StoreHealth(store.journal, { clock, log })
  const change = async (n: number): Promise<unknown> => store.entries.create([spec(n)], by).then(() => 'made', (error: MayflyError) => error.code)

  expect([await change(1), await change(2)]).toEqual(['STORE_UNWRITABLE', 'STORE_UNWRITABLE'])
  expect(log.facts.map(({ event }) => event)).toEqual(['store.unwritable'])
  expect(log.facts[0]).toMatchObject({ code: 'STORE_UNWRITABLE', refused: 1, error: { cause: { message: expect.stringContaining('full') } } })
  expect(health.refusal).toMatchObject({ code: 'STORE_UNWRITABLE' })
  await clock.advance(60_000)
  expect(health.refusal).toBeUndefined() // nobody tried for half a minute
  expect(await change(3)).toBe('STORE_UNWRITABLE')
  expect(health.refusal).toMatchObject({ code: 'STORE_UNWRITABLE' })
  await clock.advance(1_000)
  expect(await change(4)).toBe('made')
  expect(health.refusal).toBeUndefined()
  expect(log.facts.slice(1)).toMatchObject([{ event: 'store.unwritable', refused: 3 }, { event: 'store.writable', refused: 3, ms: 61_000 }])
})
