import { describe, expect, test } from 'vitest'
import { WorkloadProcess } from '../support/agent/workload.ts'
import { isRoot } from '../support/processes/processes.ts'
import { World } from '../support/product/world.ts'

describe.skipIf(!isRoot)('first light, when something ends', () => {
  test('the server is killed and started again: workloads notice nothing, and what is new reaches them', async () => {
    await using world = await World.start()
    await world.create('web', { uid: 4001 })
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid: 4001 })
    await workload.svids()
    await world.product.killServer('SIGKILL')
    await using late = WorkloadProcess.start(world.agent.workloadSocket, { uid: 4001 })
    expect((await late.svids()).ids).toEqual(['spiffe://example.org/web'])
    await world.product.startServer()
    await world.create('second', { uid: 4001 })
    expect((await workload.svids(({ ids }) => Array.isArray(ids) && ids.length === 2)).ids).toEqual(['spiffe://example.org/web', 'spiffe://example.org/second'])
    expect(workload.program.lines.filter(({ event }) => event === 'failed')).toEqual([])
  })

  test('an agent that is stopped, or killed, comes back as itself without a token', async () => {
    await using world = await World.start()
    await world.create('web', { uid: 4001 })
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid: 4001 })
    await workload.svids()
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await world.agent.kill(signal)
      await world.agent.start()
      expect((await workload.svids()).ids).toEqual(['spiffe://example.org/web'])
    }
    expect(await world.product.agentIds()).toHaveLength(1)
  })

  test('a server away for longer than an SVID lives: nothing expired is served, and all mends itself', async () => {
    await using world = await World.start()
    await world.create('web', { uid: 4001, ttlSeconds: 6 })
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid: 4001 })
    const first = await workload.svids()
    await world.product.killServer('SIGKILL')
    const failed = await workload.failure('UNAVAILABLE')
    expect(failed['atMs']).toBeGreaterThanOrEqual(first.notAfterMs[0] ?? 0)
    await using late = WorkloadProcess.start(world.agent.workloadSocket, { uid: 4001, once: true })
    await late.failure('UNAVAILABLE')
    await world.product.startServer()
    const mended = await workload.svids()
    expect(mended.notAfterMs[0]).toBeGreaterThan(mended.atMs)
  })

  test('an agent that is evicted says so and stops; its workloads are denied', async () => {
    await using world = await World.start()
    await world.create('web', { uid: 4001 })
    const [id] = await world.product.agentIds()
    await world.product.admin.unary('spire.api.server.agent.v1.Agent', 'DeleteAgent', { id: { trustDomain: 'example.org', path: id?.slice('spiffe://example.org'.length) ?? '' } })
    const program = world.agent.program
    expect(await program?.ended()).toBe(1)
    expect(program?.errors).toMatch(/^mayfly: agent .* is not attested$/m)
    expect(program?.errors).toMatch(/^hint: .*token create/m)
  })

  test('revoking an agent ends all that it obtained: its workloads are denied', async () => {
    await using world = await World.start()
    await world.create('web', { uid: 4001 })
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid: 4001 })
    const serial = (await workload.svids()).serials[0]?.padStart(34, '0') ?? ''
    const [agentId = ''] = await world.product.agentIds()
    await world.product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { agentId }, reason: 'test' })
    await workload.next(({ event, code }) => event === 'failed' && (code === 'NO_IDENTITY' || code === 'SHUTTING_DOWN' || code === 'UNAVAILABLE'))
    const { credentials } = await world.product.admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial } })
    expect(credentials[0]?.state).toBe('revoked')
  })
})
