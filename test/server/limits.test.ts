import { expect, test } from 'vitest'

import { parseServerConfig, serverSettings } from '../../server/config.ts'
import type { ServerLimits } from '../../server/limits.ts'
import { termsOf } from '../../server/limits.ts'
import { LiveConfig } from '../../src/config/live.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { grantBench } from '../support/server/grants.ts'
import { startServer } from '../support/server/test-server.ts'
import type { WireEntry } from '../support/server/test-server.ts'

const plenty: ServerLimits = parseServerConfig('trustDomain: example.org\n', {}, 'test', 0).limits

const over = expect.objectContaining({ code: 'LIMIT_EXCEEDED', status: 'RESOURCE_EXHAUSTED', hint: expect.stringMatching(/^wait \d+ ms$/), details: { retryAfterMs: expect.any(Number) } })

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => undefined,
    (error: unknown) => error,
  )
}

function wireEntries(count: number): WireEntry[] {
  return Array.from({ length: count }, (_, at) => ({ spiffeId: { trustDomain: 'example.org', path: `/w${at}` }, parentId: { trustDomain: 'example.org', path: '/spire/agent/x' }, selectors: [{ type: 'unix', value: `uid:${5_000 + at}` }] }))
}

test('a caller that makes more entries than it may is told how long to wait, and none of them is made', async () => {
  const { admin } = await startServer({ config: { limits: { ...plenty, entriesPerSecond: 5 } } })
  const create = (count: number): Promise<unknown> => admin.unary('spire.api.server.entry.v1.Entry', 'BatchCreateEntry', { entries: wireEntries(count) })
  expect(await failureOf(create(100))).toBeUndefined() // a batch of any size, once as much is saved up as can be; what it took beyond is waited for
  expect(await failureOf(create(101))).toEqual(over)
  expect(await admin.unary('spire.api.server.entry.v1.Entry', 'CountEntries', {})).toEqual({ count: 100 })
})

test('an agent has no more signed than it may, while others go on', async () => {
  const { admin, join, createEntries } = await startServer({ config: { limits: { ...plenty, signaturesPerSecond: 1 } } })
  const [greedy, other] = [await join(), await join()]
  const sign = async (agent: typeof greedy, count: number): Promise<unknown> => {
    const [entryId = ''] = await createEntries(agent.id, [`/of/${count}/${agent.id.slice(-4)}`])
    const params = Array.from({ length: count }, () => ({ entryId, csr: Buffer.from(buildCsr(PrivateKey.generate())) }))
    return await failureOf(agent.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params }))
  }
  expect(await sign(greedy, 30)).toBeUndefined()
  expect(await sign(greedy, 1)).toEqual(over)
  expect(await sign(other, 2)).toBeUndefined()
  expect(admin).toBeDefined()
})

test('attempts to attest are counted by address, whatever they bring', async () => {
  const { tls } = await startServer({ config: { limits: { ...plenty, attestationsPerSecond: 1 } } })
  const channel = tls()
  const attempt = async (): Promise<unknown> => {
    async function* request(): AsyncGenerator<object> {
      yield { params: { data: { type: 'join_token', payload: Buffer.from('guess') }, params: { csr: Buffer.from(buildCsr(PrivateKey.generate())) } } }
    }
    try {
      for await (const _ of channel.bidi('spire.api.server.agent.v1.Agent', 'AttestAgent', request(), { timeoutMs: 10_000 })) return undefined
      return undefined
    } catch (error) {
      return error
    }
  }
  const outcomes = await Promise.all(Array.from({ length: 14 }, attempt))
  const codes = outcomes.map((error) => (error instanceof MayflyError ? error.code : 'none'))
  expect(codes.filter((code) => code === 'TOKEN_INVALID').length).toBeGreaterThanOrEqual(10)
  expect(codes.filter((code) => code === 'LIMIT_EXCEEDED').length).toBeGreaterThanOrEqual(1)
})

test('calls of any kind are counted by caller', async () => {
  const { admin, tls } = await startServer({ config: { limits: { ...plenty, messagesPerSecond: 3 } } })
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => failureOf(admin.unary('mayfly.v1.Status', 'Get', {}))))
  expect(outcomes.filter((error) => error !== undefined).length).toBeGreaterThanOrEqual(8)
  expect(outcomes.filter((error) => error !== undefined)).toEqual(expect.arrayContaining([over]))
  expect(await failureOf(tls().unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {}))).toBeUndefined()
})

test('requests for grants are counted by agent', async () => {
  const server = await startServer({ config: { limits: { ...plenty, grantRequestsPerSecond: 1 } } })
  const bench = await grantBench(server)
  const outcomes = await Promise.all(Array.from({ length: 8 }, (_, at) => failureOf(bench.request({}, { instance: `process ${at}` }))))
  expect(outcomes.filter((error) => error === undefined).length).toBeGreaterThanOrEqual(4)
  expect(outcomes.filter((error) => error !== undefined)).toEqual(expect.arrayContaining([over]))
})

test('a limit that is raised while the server runs is in force at once', async () => {
  let text = 'trustDomain: example.org\nlimits:\n  entriesPerSecond: 1\n'
  const parse = (): ReturnType<typeof parseServerConfig> => parseServerConfig(text, {}, 'test', 0)
  const live = new LiveConfig(parse(), serverSettings, parse)
  const clock = new FakeClock()
  const quota = new Quota(clock, termsOf(() => live.current.limits, 'entriesPerSecond'))
  quota.take('a', 2)
  expect(() => quota.take('a', 1)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  text = 'trustDomain: example.org\nlimits:\n  entriesPerSecond: 1000\n'
  live.reload()
  await clock.advance(10)
  quota.take('a', 9)
})
