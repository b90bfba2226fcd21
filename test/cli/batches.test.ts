import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { batchSize, inBatches } from '../../src/cli/batches.ts'
import { Output } from '../../src/cli/output.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { FakeClock } from '../support/fake-clock.ts'

const tooMuch = (retryAfterMs: number): MayflyError => new MayflyError('LIMIT_EXCEEDED', 'too much at once', { hint: `wait ${retryAfterMs} ms`, details: { retryAfterMs } })
const items = Array.from({ length: 2 * batchSize + 1 }, (_, at) => at)

function context(clock: FakeClock): Parameters<typeof inBatches>[0] {
  return { output: new Output(new PassThrough(), new PassThrough(), { isTty: false, columns: () => 80 }), clock, signal: new AbortController().signal }
}

test('what was begun goes on at the pace that the server allows, each item once and in order', async () => {
  const clock = new FakeClock()
  const sent: number[][] = []
  let freeAtMs = 0
  const done = inBatches(context(clock), 'created', items, async (batch) => {
    if (clock.bootMs() < freeAtMs) throw tooMuch(freeAtMs - clock.bootMs())
    freeAtMs = clock.bootMs() + 5_000
    sent.push([...batch])
    return batch.map(() => ({ status: null, entry: null }))
  })
  await clock.advance(4_999)
  expect(sent).toHaveLength(1)
  await clock.advance(5_001)
  expect((await done).length).toBe(items.length)
  expect(sent.flat()).toEqual(items)
})

test('the first is not waited for, nor what would take for ever', async () => {
  const clock = new FakeClock()
  await expect(inBatches(context(clock), 'created', items, async () => Promise.reject(tooMuch(10)))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  let calls = 0
  await expect(inBatches(context(clock), 'created', items, async (batch) => {
    if (calls++ > 0) throw tooMuch(3_600_000)
    return batch.map(() => ({ status: null, entry: null }))
  })).rejects.toMatchObject({ details: { retryAfterMs: 3_600_000 } })
})
