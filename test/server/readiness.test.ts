import { expect, test } from 'vitest'

import { MayflyError } from '../../src/core/errors.ts'
import { readiness } from '../../server/readiness.ts'
import { FakeClock } from '../support/fake-clock.ts'

type Parts = Parameters<typeof readiness>[0]

function partsOf(probe: () => Promise<void>, active: () => { readonly id: string }, behind = false, storeHealth: Parts['storeHealth'] = { refusal: undefined }): Parts {
  return { store: { journal: { probe } }, storeHealth, authorities: { active }, rolledBack: () => behind } as unknown as Parts // what is looked at
}

const signs = (): { readonly id: string } => ({ id: 'ab'.repeat(32) })

test('a server is ready when its store takes changes and an authority signs', async () => {
  const ready = readiness(partsOf(async () => undefined, signs), new FakeClock())
  expect(await ready()).toEqual([
    { name: 'store', ok: true, detail: 'takes changes' },
    { name: 'authority', ok: true, detail: 'abababababababab signs' },
    { name: 'history', ok: true, detail: 'nobody was shown a later one' },
  ])
})

test('a full disk and a missing authority are named, and a store that has recovered is ready at once', async () => {
  let full = true
  const ready = readiness(
    partsOf(
      async () => {
        if (full) throw new MayflyError('STORE_UNWRITABLE', 'the store takes no changes')
      },
      () => {
        throw new MayflyError('NO_ACTIVE_AUTHORITY', 'no authority signs')
      },
    ),
    new FakeClock(),
  )
  expect(await ready()).toEqual([
    { name: 'store', ok: false, detail: 'the store takes no changes' },
    { name: 'authority', ok: false, detail: 'no authority signs' },
    { name: 'history', ok: true, detail: 'nobody was shown a later one' },
  ])
  full = false
  expect((await ready())[0]).toMatchObject({ ok: true })
})

test('a store that was written to less than five seconds ago is not written to again', async () => {
  const clock = new FakeClock()
  let writes = 0
  const ready = readiness(partsOf(async () => void writes++, signs), clock)
  for (let at = 0; at < 10; at++) await ready()
  expect(writes).toBe(1)
  await clock.advance(5_001)
  await ready()
  expect(writes).toBe(2)
})

test('a store that hangs is not ready', async () => {
  const clock = new FakeClock()
  const answer = readiness(partsOf(() => new Promise(() => undefined), signs), clock)()
  await clock.advance(2_000)
  expect((await answer)[0]).toEqual({ name: 'store', ok: false, detail: 'no answer within 2000 ms' })
})

test('a server whose last change was refused is not ready, although a small write still goes', async () => {
  const health: { refusal: MayflyError | undefined } = { refusal: new MayflyError('STORE_UNWRITABLE', 'the change could not be written') }
  const ready = readiness(partsOf(async () => undefined, signs, false, health), new FakeClock())
  expect((await ready())[0]).toEqual({ name: 'store', ok: false, detail: 'the change could not be written' })
  health.refusal = undefined
  expect((await ready())[0]).toMatchObject({ ok: true })
})

test('a server that was copied back is not ready', async () => {
  const ready = readiness(partsOf(async () => undefined, signs, true), new FakeClock())
  expect((await ready())[2]).toMatchObject({ name: 'history', ok: false, detail: expect.stringContaining('SERVER_ROLLED_BACK') })
})
