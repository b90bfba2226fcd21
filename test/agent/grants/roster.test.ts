import { expect, test } from 'vitest'
import { Roster } from '../../../agent/grants/roster.ts'
import { Task } from '../../../agent/grants/task.ts'
import { FakeGrantServer } from '../../support/agent/fake-grant-server.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const nowMs = 1_800_000_000_000

async function tasks(): Promise<() => Promise<Task>> {
  const server = new FakeGrantServer(new FakeClock(nowMs))
  return async () => new Task(await server.request({}), 'i', 'process')
}

const end = (task: Task): void => task.endHere({ grantId: task.id, cause: 'completed', outcome: '', detail: '' })

test('a grant that is over is known for ten minutes, and one that runs for as long as it runs', async () => {
  const clock = new FakeClock(nowMs)
  const roster = new Roster(clock)
  const next = await tasks()
  const [over, runs] = [await next(), await next()]
  roster.add(over)
  roster.add(runs)
  end(over)
  roster.add(await next())
  await clock.advance(599_000)
  roster.add(await next())
  expect(roster.get(over.id)).toBe(over)
  await clock.advance(1_000)
  roster.add(await next())
  expect(roster.get(over.id)).toBeUndefined()
  expect(roster.get(runs.id)).toBe(runs)
})

test('of more than a thousand the oldest that are over make room, and none that runs', async () => {
  const roster = new Roster(new FakeClock(nowMs))
  const next = await tasks()
  const many = await Promise.all(Array.from({ length: 1_003 }, next))
  const [runs, first, second, third] = many
  for (const task of many.slice(0, 1_000)) roster.add(task)
  for (const task of many.slice(1, 1_000)) end(task)
  for (const task of many.slice(1_000)) roster.add(task)
  expect(roster.all()).toHaveLength(1_000)
  expect([first, second, third].map((task) => roster.get(task?.id ?? ''))).toEqual([undefined, undefined, undefined])
  expect(roster.get(runs?.id ?? '')).toBe(runs)
})
