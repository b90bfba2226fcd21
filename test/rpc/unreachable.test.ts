import { expect, test } from 'vitest'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { fromStatus } from '../../src/rpc/status.ts'
import { unreachable } from '../../src/rpc/unreachable.ts'
import { systemClock } from '../../src/system/clock.ts'

test('who cannot be reached is told in a few words, with what to do', async () => {
  using channel = RpcChannel.connectUnix('/nowhere/at/all.sock', { clock: systemClock })
  await expect(channel.unary('mayfly.v1.Status', 'Get', {})).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'no connection: connect ENOENT /nowhere/at/all.sock', hint: expect.stringContaining('nobody listens there') })
})

test.each([
  ['Error: connect EACCES /run/x.sock', 'no connection: connect EACCES /run/x.sock', 'adminUids'],
  ['MayflyError: the server is not spiffe://a/spire/server: no authority of its trust domain signed it', 'no connection: the server is not spiffe://a/spire/server: no authority of its trust domain signed it', 'bundle'],
  ['Error: getaddrinfo ENOTFOUND x.invalid', 'no connection: getaddrinfo ENOTFOUND x.invalid', 'DNS'],
  ['SomethingElse. Of two sentences', 'no connection: SomethingElse. Of two sentences', undefined],
])('%s', (said, message, hint) => {
  const told = unreachable(`No connection established. Last error: ${said}. Resolution note: `)
  expect(told?.message).toBe(message)
  if (hint === undefined) expect(told?.hint).toBeUndefined()
  else expect(told?.hint).toContain(hint)
})

test('what is no failure to connect stays as it is', () => {
  expect(unreachable('Received RST_STREAM with code 2')).toBeUndefined()
  expect(unreachable('No connection established. Last error: null. Resolution note: ')).toBeUndefined()
  expect(fromStatus({ code: 14, details: 'shutting down' })).toMatchObject({ code: 'UNAVAILABLE', message: 'shutting down' })
})
