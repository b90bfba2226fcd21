import { createServer } from 'node:http'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { Notifications, postJson, type Notice, type NotifyConfig, type NotifyDeps } from '../../../server/approvals/notify.ts'
import { runCommand } from '../../../src/system/run-command.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { listen } from '../../support/listen.ts'

const notice: Notice = { event: 'approval.wanted', id: 'one', grant: 'one', spiffe_id: 'spiffe://example.org/job/task/one', role: 'job', owner: 'team', requester: 'uid:1', actions: ['write'], resources: ['db:a'], reason: 'r', ticket: '', approvers: [], lapses_at: '', how: 'mayfly approve one' }
const neither: NotifyConfig = { webhook: undefined, command: [] }

test('webhook and command get the same notice, one after the other', async () => {
  const told: string[] = []
  await using notifications = begin({ webhook: 'https://hooks.example.org/x', command: ['tell'] }, { post: async (url, body) => void told.push(`${url} ${body}`), run: async (argv, _limitMs, _signal, input) => (told.push(`${argv.join(' ')} ${input.trimEnd()}`), 0) })
  notifications.all.send(notice)
  await notifications.clock.advance(0)
  expect(told).toEqual([`https://hooks.example.org/x ${JSON.stringify(notice)}`, `tell ${JSON.stringify(notice)}`])
})

test('what fails is tried three more times, later each time, and the next notice comes after it', async () => {
  const atMs: number[] = []
  await using notifications = begin({ ...neither, webhook: 'https://hooks.example.org/x' }, { post: async (_url, body) => {
    atMs.push(notifications.clock.bootMs())
    if (body.includes('"id":"one"')) throw new Error('nobody is there')
  } })
  notifications.all.send(notice)
  notifications.all.send({ ...notice, id: 'two' })
  for (let second = 0; second < 40; second++) await notifications.clock.advance(1_000)
  await notifications.clock.advance(0)
  const [first = 0] = atMs
  expect(atMs.map((ms) => ms - first)).toEqual([0, 1_000, 6_000, 36_000, 36_000])
  expect(notifications.log.facts.filter(({ event }) => event === 'approval.notice_failed')).toHaveLength(4)
})

test('a command that fails is a failure, and a request does not wait for any of it', async () => {
  const codes = [1, 0]
  await using notifications = begin({ ...neither, command: ['tell'] }, { run: async () => codes.shift() ?? 0 })
  notifications.all.send(notice)
  for (let second = 0; second < 3; second++) await notifications.clock.advance(1_000)
  await notifications.clock.advance(0)
  expect(codes).toEqual([])
  expect(notifications.log.facts).toMatchObject([{ event: 'approval.notice_failed', way: 'command' }])
})

test('one too many is dropped, and said so', async () => {
  const held = Promise.withResolvers<void>()
  await using notifications = begin({ ...neither, webhook: 'https://hooks.example.org/x' }, { post: async () => await held.promise })
  for (let n = 0; n < 1_002; n++) notifications.all.send({ ...notice, id: `${n}` })
  expect(notifications.log.facts).toMatchObject([{ event: 'approval.notice_dropped', id: '1001' }])
  held.resolve()
})

test('a real command gets the notice on its standard input', async () => {
  const code = await runCommand(['/bin/sh', '-c', 'read -r line; test "$line" = "$1"', 'sh', JSON.stringify(notice)], 5_000, new AbortController().signal, `${JSON.stringify(notice)}\n`)
  expect(code).toBe(0)
})

test('a real webhook gets a POST; a redirect or an error of its is a failure', async () => {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    request.on('data', (part: Buffer) => bodies.push(part.toString()))
    request.on('end', () => {
      if (request.url === '/moved') response.writeHead(302, { location: '/ok' }).end()
      else response.writeHead(request.url === '/ok' && request.method === 'POST' ? 204 : 500).end()
    })
  })
  const port = await listen(server)
  onTestFinished(async () => {
    server.close()
    await once(server, 'close')
  })
  const { signal } = new AbortController()
  await postJson(`http://127.0.0.1:${port}/ok`, '{"a":1}', signal)
  expect(bodies).toEqual(['{"a":1}'])
  await expect(postJson(`http://127.0.0.1:${port}/broken`, '{}', signal)).rejects.toThrow('500')
  await expect(postJson(`http://127.0.0.1:${port}/moved`, '{}', signal)).rejects.toThrow()
})

interface Begun extends AsyncDisposable {
  readonly all: Notifications
  readonly clock: FakeClock
  readonly log: KeptLog
}

function begin(config: NotifyConfig, doing: Partial<NotifyDeps>): Begun {
  const clock = new FakeClock()
  const log = new KeptLog()
  const refuse = async (): Promise<never> => await Promise.reject(new Error('not expected'))
  const all = new Notifications(config, { clock, log, post: refuse, run: refuse, ...doing })
  return { all, clock, log, [Symbol.asyncDispose]: async () => await all[Symbol.asyncDispose]() }
}
