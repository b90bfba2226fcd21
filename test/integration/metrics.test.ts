import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { agentCatalogue } from '../../src/metrics/agent-catalogue.ts'
import { relayCatalogue } from '../../src/metrics/relay-catalogue.ts'
import { serverCatalogue } from '../../src/metrics/server-catalogue.ts'
import { scrape } from '../support/product/scrape.ts'
import { RelayProcess } from '../support/product/relay.ts'
import { Product } from '../support/product/product.ts'
import { node24, Program, root } from '../support/product/process.ts'

/** The whole way once: a server and an agent that are measured, a workload that fetches, a revocation. */
describe('a measured server and agent', () => {
  let product: Product
  let serverAt: string
  let agentAt: string
  beforeAll(async () => {
    product = await Product.start({ serverArgs: ['--metrics-address', '127.0.0.1:0'] })
    serverAt = String((await product.server.event('serving'))['metricsAddress'])
    const agent = await product.startAgent(['--metrics-address', '127.0.0.1:0'])
    agentAt = String((await agent.program?.event('serving'))?.['metricsAddress'])
    const [agentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: agentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])
    await using workload = new Program(node24, [join(root, 'test/support/agent/workload-client.ts'), agent.workloadSocket])
    await workload.event('svids')
  })
  afterAll(async () => {
    await product[Symbol.asyncDispose]()
  })

  test('each says that it is alive and ready, and what it looked at', async () => {
    for (const at of [serverAt, agentAt]) {
      expect((await fetch(`http://${at}/live`)).status).toBe(200)
      const ready = await fetch(`http://${at}/ready`)
      expect([ready.status, await ready.json()]).toEqual([200, { ready: true, checks: expect.arrayContaining([expect.objectContaining({ ok: true })]) }])
    }
  })

  test('the server counts what it issued, attested and wrote down', async () => {
    const figures = await scrape(serverAt)
    expect(figures.one('mayfly_server_svids_issued_total', { kind: 'workload' })).toBeGreaterThanOrEqual(1)
    expect(figures.one('mayfly_server_svids_issued_total', { kind: 'agent' })).toBe(1)
    expect(figures.one('mayfly_server_attestations_total', { attestor: 'join_token' })).toBe(1)
    expect(figures.one('mayfly_server_agents_connected')).toBe(1)
    expect(figures.one('mayfly_server_entries')).toBe(1)
    expect(figures.one('mayfly_server_entry_changes_total', { change: 'created' })).toBe(1)
    expect(figures.one('mayfly_server_store_commits_total')).toBeGreaterThan(3)
    expect(figures.one('mayfly_server_stream_age_seconds')).toBeLessThan(60)
    expect(figures.one('mayfly_server_issuance_seconds_count')).toBeGreaterThanOrEqual(2)
    expect(figures.one('mayfly_rpc_calls_total', { listener: 'admin', method: '/mayfly.v1.Registry/CreateEntries', status: 'OK' })).toBe(1)
    expect(figures.one('mayfly_ready')).toBe(1)
  })

  test('the agent counts what it holds and who asked', async () => {
    const figures = await scrape(agentAt)
    expect(figures.one('mayfly_agent_connected')).toBe(1)
    expect(figures.one('mayfly_agent_svids_received_total')).toBeGreaterThanOrEqual(1)
    expect(figures.one('mayfly_agent_revocation_age_seconds')).toBeLessThan(60)
    expect(figures.one('mayfly_rpc_calls_total', { listener: 'workload', method: '/SpiffeWorkloadAPI/FetchX509SVID' })).toBeGreaterThanOrEqual(1)
    expect(figures.one('mayfly_agent_svid_not_after_seconds')).toBeGreaterThan(Date.now() / 1_000)
  })

  test('what is served is what the catalogue has, and no secret or identity is a label', async () => {
    const [server, agent] = await Promise.all([scrape(serverAt), scrape(agentAt)])
    expect(server.names.filter((name) => !Object.hasOwn(serverCatalogue, name))).toEqual([])
    expect(agent.names.filter((name) => !Object.hasOwn(agentCatalogue, name))).toEqual([])
    expect(`${server.text}${agent.text}`).not.toContain('spiffe://')
  })

  test('a relay below the agent is measured as well, and ready once the stream came through', async () => {
    const socket = product.agents[0]?.workloadSocket ?? ''
    await using relay = await RelayProcess.start(join(product.dir, 'relay'), ['--upstream', `unix:${socket}`, '--metrics-address', '127.0.0.1:0'])
    const relayAt = String((await relay.program.event('serving'))['metricsAddress'])
    await expect.poll(async () => (await fetch(`http://${relayAt}/ready`)).status).toBe(200)
    const figures = await scrape(relayAt)
    expect(figures.one('mayfly_relay_upstream_current')).toBe(1)
    expect(figures.one('mayfly_relay_revocation_age_seconds')).toBeLessThan(60)
    expect(figures.names.filter((name) => !Object.hasOwn(relayCatalogue, name))).toEqual([])
  })

  test('an agent whose server is away stays ready and says that it is cut off', async () => {
    await product.server.kill('SIGKILL')
    await expect.poll(async () => (await scrape(agentAt)).one('mayfly_agent_connected')).toBe(0)
    const ready = await fetch(`http://${agentAt}/ready`)
    expect(ready.status).toBe(200)
    expect(await ready.text()).toContain('away: what is known is served')
  })

  test('other paths and methods are refused', async () => {
    expect((await fetch(`http://${agentAt}/`)).status).toBe(404)
    expect((await fetch(`http://${agentAt}/metrics`, { method: 'POST' })).status).toBe(405)
  })
})
