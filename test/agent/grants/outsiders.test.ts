import { expect, test } from 'vitest'
import { Outsiders } from '../../../agent/grants/outsiders.ts'
import { MayflyError } from '../../../src/core/errors.ts'
import { FakeGrantServer } from '../../support/agent/fake-grant-server.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const clock = new FakeClock(1_800_000_000_000)

test('each grant’s outsiders are told of at once, and again after ten seconds, however often they come', async () => {
  const [server, log] = [new FakeGrantServer(clock), new KeptLog()]
  await using outsiders = new Outsiders({ clock, log, server })
  for (let at = 0; at < 1_000; at++) outsiders.note('one', { pid: 7, uid: 1000 })
  outsiders.note('two', { pid: 8, uid: 0 })
  expect(server.outsiders).toEqual([{ grantId: 'one', pid: 7, uid: 1000 }, { grantId: 'two', pid: 8, uid: 0 }])
  await clock.advance(9_999)
  outsiders.note('one', { pid: 9, uid: 1000 })
  await clock.advance(1)
  outsiders.note('one', { pid: 10, uid: 1000 })
  expect(server.outsiders.slice(2)).toEqual([{ grantId: 'one', pid: 10, uid: 1000 }])
  expect(said(log, 'grant.outsider').map(({ unsaid }) => unsaid)).toEqual([0, 0, 1_000])
})

test('a server that is away is told when the next one comes; one that knows the grant no more needs not be', async () => {
  const [server, log] = [new FakeGrantServer(clock), new KeptLog()]
  await using outsiders = new Outsiders({ clock, log, server })
  server.away = true
  outsiders.note('one', { pid: 7, uid: 1000 })
  await expect.poll(() => said(log, 'grant.outsider_unreported')).toMatchObject([{ code: 'UNAVAILABLE' }])
  server.away = false
  await clock.advance(10_000)
  outsiders.note('one', { pid: 7, uid: 1000 })
  expect(server.outsiders).toHaveLength(1)
  server.refuses = new MayflyError('NOT_FOUND', 'over')
  outsiders.note('two', { pid: 7, uid: 1000 })
  await outsiders[Symbol.asyncDispose]()
  expect(said(log, 'grant.outsider_unreported')).toHaveLength(1)
})

function said(log: KeptLog, event: string): readonly Record<string, unknown>[] {
  return log.facts.filter((fact) => fact.event === event)
}
