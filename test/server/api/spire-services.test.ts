import { expect, test } from 'vitest'
import type { ServiceName } from '../../../src/rpc/services.ts'
import { methodsOf } from '../../../src/rpc/services.ts'
import { startServer } from '../../support/server/test-server.ts'
import { authority } from '../../support/verify/certificates.ts'

const loggerApi = 'spire.api.server.logger.v1.Logger' as const
const bundleApi = 'spire.api.server.bundle.v1.Bundle' as const
const trustDomainApi = 'spire.api.server.trustdomain.v1.TrustDomain' as const

test("the log's level is shown, set for the time being, and put back; SPIRE's other levels are the nearest of ours", async () => {
  const logLevels: { current: 'debug' | 'info' | 'warn' | 'error' } = { current: 'info' }
  const { admin, join } = await startServer({ deps: { logLevels } })
  expect(await admin.unary(loggerApi, 'GetLogger', {})).toEqual({ currentLevel: 'INFO', launchLevel: 'INFO' })
  expect(await admin.unary(loggerApi, 'SetLogLevel', { newLevel: 'TRACE' })).toEqual({ currentLevel: 'DEBUG', launchLevel: 'INFO' })
  expect(logLevels.current).toBe('debug')
  expect(await admin.unary(loggerApi, 'SetLogLevel', { newLevel: 'PANIC' })).toEqual({ currentLevel: 'ERROR', launchLevel: 'INFO' })
  expect(await admin.unary(loggerApi, 'ResetLogLevel', {})).toEqual({ currentLevel: 'INFO', launchLevel: 'INFO' })
  await expect(admin.unary(loggerApi, 'SetLogLevel', {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  const agent = await join()
  await expect(agent.channel.unary(loggerApi, 'SetLogLevel', { newLevel: 'DEBUG' })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
})

test('a server tells SPIRE of itself: its chain up to the authority, its agents and entries', async () => {
  const { admin, join, createEntries } = await startServer()
  const agent = await join()
  await createEntries(agent.id, ['/one', '/two'])
  const info = await admin.unary('spire.api.server.debug.v1.Debug', 'GetInfo', {})
  expect(info).toMatchObject({ agentsCount: 1, entriesCount: 2, federatedBundlesCount: 0 })
  expect(info.svidChain).toMatchObject([{ id: { trustDomain: 'example.org', path: '/spire/server' }, subject: '' }, { id: { trustDomain: 'example.org', path: '' }, subject: expect.stringMatching(/^CN=authority [0-9a-f]{16},O=mayfly$/) as string }])
})

test('and of the bundles of other trust domains that it has', async () => {
  const { admin } = await startServer()
  await admin.unary(bundleApi, 'BatchSetFederatedBundle', { bundle: [{ trustDomain: 'other.example', x509Authorities: [{ asn1: Buffer.from(authority('theirs').der) }] }] })
  expect(await admin.unary('spire.api.server.debug.v1.Debug', 'GetInfo', {})).toMatchObject({ federatedBundlesCount: 1 })
})

test('what federation would do is refused in words', async () => {
  const { admin } = await startServer()
  for (const name of methodsOf(trustDomainApi satisfies ServiceName).keys()) {
    await expect(admin.unary(trustDomainApi, name as 'RefreshBundle', {})).rejects.toMatchObject({ code: 'UNIMPLEMENTED', message: expect.stringMatching(/federation relationships come with a later release/) as string })
  }
})

test("authorities of others are not added to the own bundle, in words", async () => {
  const { admin } = await startServer()
  await expect(admin.unary(bundleApi, 'AppendBundle', {})).rejects.toMatchObject({ code: 'UNIMPLEMENTED', message: expect.stringMatching(/could not be revoked here/) as string })
})

test('an agent that follows no stream has taken in a bundle once it asks again: then the next authority may sign', async () => {
  const { admin, join } = await startServer()
  const { channel } = await join()
  const { id } = await admin.unary('mayfly.v1.Authorities', 'Prepare', {})
  const activate = async (): Promise<string> => (await admin.unary('mayfly.v1.Authorities', 'Activate', { id })).state
  const ask = async (outputMask: { readonly x509Authorities: boolean }): Promise<unknown> => await channel.unary(bundleApi, 'GetBundle', { outputMask })
  for (const x509Authorities of [true, false, false]) await ask({ x509Authorities })
  await expect(activate()).rejects.toMatchObject({ code: 'AUTHORITY_STATE' })
  await ask({ x509Authorities: true })
  expect(await activate()).toBe('active')
})
