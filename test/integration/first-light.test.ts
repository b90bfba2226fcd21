import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MayflyError } from '../../src/core/errors.ts'
import { formatJoinLine, parseJoinLine } from '../../src/core/join-line.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { node24, Program, root } from '../support/product/process.ts'
import { World } from '../support/product/world.ts'
import { WorkloadProcess } from '../support/agent/workload.ts'
import { isRoot } from '../support/processes/processes.ts'

describe.skipIf(!isRoot)('first light: server, agent and workloads as processes', () => {
  let world: World
  /** Of the test's own workload. */
  let uid = 4_000
  let name = ''

  beforeAll(async () => {
    world = await World.start()
  })

  beforeEach(() => {
    uid++
    name = `web${uid}`
  })

  afterAll(async () => {
    await world[Symbol.asyncDispose]()
  })

  test('an entry gives a waiting workload its SVID; deleting it, PermissionDenied', async () => {
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid })
    const denied = await workload.failure('NO_IDENTITY')
    expect(denied['status']).toBe('PERMISSION_DENIED')
    const [id = ''] = await world.create(name, { uid })
    expect((await workload.svids()).ids).toEqual([`spiffe://example.org/${name}`])
    const { results } = await world.product.admin.unary('spire.api.server.entry.v1.Entry', 'BatchDeleteEntry', { ids: [id] })
    expect(results[0]?.status?.code).toBe(0)
    await workload.failure('NO_IDENTITY')
  })

  test('a workload of another uid gets nothing', async () => {
    await world.create(name, { uid })
    await using mine = WorkloadProcess.start(world.agent.workloadSocket, { uid })
    await mine.svids()
    await using other = WorkloadProcess.start(world.agent.workloadSocket, { uid: uid + 1_000, once: true })
    await other.failure('NO_IDENTITY')
  })

  test('an SVID is rotated under an open stream', async () => {
    await world.create(name, { uid, ttlSeconds: 8 })
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid })
    const first = await workload.svids()
    const second = await workload.svids()
    expect(second.serials).not.toEqual(first.serials)
    expect(second.atMs).toBeLessThan(first.notAfterMs[0] ?? 0)
  })

  test('revoking an ID ends it: PermissionDenied at the workload until it is enabled', async () => {
    await world.create(name, { uid })
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid })
    const first = await workload.svids()
    await world.product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://example.org/${name}` }, reason: 'test' })
    await workload.failure('NO_IDENTITY')
    await world.product.admin.unary('mayfly.v1.Revocations', 'Enable', { target: { spiffeId: `spiffe://example.org/${name}` }, reason: 'test' })
    expect((await workload.svids()).serials).not.toEqual(first.serials)
  })

  test('revoking one serial brings the workload a new SVID at once', async () => {
    await world.create(name, { uid })
    await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid })
    const first = await workload.svids()
    await world.product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: first.serials[0]?.padStart(34, '0') ?? '' }, reason: 'test' })
    expect((await workload.svids()).serials).not.toEqual(first.serials)
  })

  test('the last holder exits: its serial is revoked at the server', async () => {
    await world.create(name, { uid })
    let serial = ''
    {
      await using workload = WorkloadProcess.start(world.agent.workloadSocket, { uid })
      serial = (await workload.svids()).serials[0]?.padStart(34, '0') ?? ''
    }
    await world.until(async () => {
      const { credentials } = await world.product.admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { serial } })
      return credentials[0]?.state === 'revoked'
    })
  })

  test('an agent without an identity or a join line says what to do', async () => {
    const { line } = await world.product.joinLine()
    const forged = formatJoinLine({ ...parseJoinLine(line), bundleDigest: '0'.repeat(64) })
    await using pinned = new Program(node24, [`${root}/agent/main.ts`, '--data', `${world.product.dir}/pinned`, '--join', forged])
    expect(await pinned.ended()).toBe(1)
    expect(pinned.errors).toContain('is not the one that this agent was told to expect')
    await using bare = new Program(node24, [`${root}/agent/main.ts`, '--data', `${world.product.dir}/bare`])
    expect(await bare.ended()).toBe(1)
    expect(bare.errors).toMatch(/^mayfly: this agent has not joined a server\nhint: mayfly token create/m)
  })

  test('the agent’s admin socket tells of the connection, and explains no pid that is none', async () => {
    using admin = RpcChannel.connectUnix(world.agent.adminSocket, { clock: systemClock })
    await world.until(async () => (await admin.unary('mayfly.v1.AgentAdmin', 'Status', {})).connected)
    await expect(admin.unary('mayfly.v1.AgentAdmin', 'ExplainProcess', { pid: 0 })).rejects.toThrow(MayflyError)
  })
})
