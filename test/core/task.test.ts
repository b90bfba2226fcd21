import { expect, test } from 'vitest'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { grantPrefixesOf, taskOf } from '../../src/core/task.ts'

const id = (path: string): ReturnType<typeof parseSpiffeId> => parseSpiffeId(`spiffe://td${path}`)

test('the ID of a grant says whose task it is, which grant, and which of its descendants', () => {
  expect(taskOf(id('/bot/task/7'))).toEqual({ workload: 'spiffe://td/bot', grantId: '7', subs: [] })
  expect(taskOf(id('/team/bot/task/7/sub/8/sub/9'))).toEqual({ workload: 'spiffe://td/team/bot', grantId: '7', subs: ['8', '9'] })
})

test.each(['/bot', '/bot/mytask/7', '/task/7', '/bot/task', '/bot/task/7/sub', '/bot/task/7/8', '/bot/sub/7', '/bot/task/7/sub/8/9', '/bot/task/task', '/bot/task/7/task/8', '/a/sub/b/task/7', '/bot/task/sub/8'])('%s is no ID of a grant', (path) => {
  expect(taskOf(id(path))).toBeUndefined()
})

test('a trust domain that is called task is none', () => {
  expect(taskOf(parseSpiffeId('spiffe://task/7'))).toBeUndefined()
  expect(grantPrefixesOf(parseSpiffeId('spiffe://task/7'))).toEqual([])
})

test('an ID hangs on every grant that its path names, the root first', () => {
  expect(grantPrefixesOf(id('/bot/task/7/sub/8'))).toEqual(['spiffe://td/bot/task/7', 'spiffe://td/bot/task/7/sub/8'])
  expect(grantPrefixesOf(id('/bot/task/7/more'))).toEqual(['spiffe://td/bot/task/7'])
  expect(grantPrefixesOf(id('/bot/tasks/7'))).toEqual([])
  expect(grantPrefixesOf(id('/bot'))).toEqual([])
})
