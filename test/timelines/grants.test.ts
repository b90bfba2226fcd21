import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GrantRole__Output } from '../../proto/generated/mayfly/v1/GrantRole.ts'
import { approvalNamespace } from '../../src/core/approval/statement.ts'
import { leakStatement } from '../../src/core/leak.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { signPlain } from '../../src/x509/signature.ts'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { personKey } from '../support/ssh/person-key.ts'
import { jobId, jobRole, TestVerifier } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'
import type { AgentProcess } from '../support/product/product.ts'

/** Promised are 250 ms, and 15 s; a machine that is slow and runs other tests beside takes longer. It is by word of the end, never by age: the verdict says so. */
const soonMs = 30_000
const orphanMs = 60_000
const uid = 4242

let product: Product
let near: AgentProcess
/** The verifier's own agent: it lives on when that of the tasks dies. */
let far: AgentProcess
let verifier: TestVerifier

beforeAll(async () => {
  product = await Product.start()
  far = await product.startAgent()
  verifier = await TestVerifier.start(product, far)
  near = await product.startAgent()
  await jobRole(product, {}, [process.geteuid?.() ?? 0, uid])
})

afterAll(async () => {
  await verifier[Symbol.asyncDispose]()
  await product[Symbol.asyncDispose]()
})

interface Running {
  readonly id: string
  readonly socket: string
  readonly tier: string
  readonly chain: readonly Uint8Array[]
  readonly task: GrantTask
}

/** A task with a grant whose SVID a verifier accepts. */
async function running(agent: AgentProcess = near, as?: number, asked: Readonly<Record<string, string>> = { spiffeId: jobId, role: 'job' }): Promise<Running> {
  const task = await GrantTask.start(as)
  const { id, socket, tier } = await task.run(agent.workloadSocket, asked)
  task.tell({ do: 'svid', socket })
  const { chain } = await task.said('svid')
  const svid = [Buffer.from(String(chain), 'base64')]
  expect(verifier.verdict(svid)).toBe('accepted')
  return { id, socket, tier, chain: svid, task }
}

async function standing(id: string): Promise<{ readonly state: string; readonly cause: string }> {
  const { state, cause } = await product.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId: id })
  return { state, cause }
}

/** How long after a moment a verifier refused the chain, ms. */
async function refusedAfter(chain: readonly Uint8Array[], atMs: number): Promise<number> {
  const refused = await verifier.refused(chain)
  expect(refused.verdict).toBe('revoked')
  return refused.atMs - atMs
}

describe('the identity of a task ends with it, at a verifier on another node', () => {
  test('it says itself that it has completed, or failed', async () => {
    for (const cause of ['completed', 'failed']) {
      const { id, socket, chain, task } = await running()
      const atMs = systemClock.nowMs()
      task.tell({ do: 'end', socket, cause })
      expect(await refusedAfter(chain, atMs)).toBeLessThan(soonMs)
      expect(await standing(id)).toMatchObject({ cause })
      await task.program.kill()
    }
  })

  test('its time is over', async () => {
    await product.admin.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: { ...(await role()), budget: { seconds: 3, renewals: 0, steps: 5, children: 0, depth: 0 } }, ifVersion: (await role()).version })
    const { id, chain, task } = await running()
    await verifier.refused(chain)
    await expect.poll(async () => (await standing(id)).cause).toBe('timeout')
    await product.admin.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: { ...(await role()), budget: { seconds: 300, renewals: 20, steps: 100, children: 4, depth: 2 } }, ifVersion: (await role()).version })
    await task.program.kill()
  })

  test('an operator ends it: socket and stream go too', async () => {
    const { id, socket, chain, task } = await running()
    const atMs = systemClock.nowMs()
    await product.admin.unary('mayfly.v1.GrantAdmin', 'End', { grantId: id, cause: 'operator', detail: 'enough' })
    expect(await refusedAfter(chain, atMs)).toBeLessThan(soonMs)
    await expect.poll(() => existsSync(socket)).toBe(false)
    expect(await task.said('bound', ({ cause }) => cause === 'operator')).toBeDefined()
    await task.program.kill()
  })

  test('another policy does not allow it', async () => {
    const { set } = await product.admin.unary('mayfly.v1.Policies', 'Show', {})
    const { id, socket, chain, task } = await running()
    const atMs = systemClock.nowMs()
    await product.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies: { ...set?.policies, freeze: 'forbid (principal is Mayfly::Workload, action, resource);' } } })
    expect(await refusedAfter(chain, atMs)).toBeLessThan(soonMs)
    expect(await standing(id)).toMatchObject({ cause: 'policy_change' })
    await expect.poll(() => existsSync(socket)).toBe(false)
    await product.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies: { ...set?.policies } } })
    await task.program.kill()
  })

  test('its owner is removed', async () => {
    await product.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'leaving', contact: '' })
    await jobRole(product, { name: 'left', spiffeId: `${jobId}/left`, owner: 'leaving' })
    const { id, socket, chain, task } = await running(near, undefined, { spiffeId: `${jobId}/left`, role: 'left' })
    const atMs = systemClock.nowMs()
    await product.admin.unary('mayfly.v1.GrantAdmin', 'RemoveOwner', { name: 'leaving', endAll: true })
    expect(await refusedAfter(chain, atMs)).toBeLessThan(soonMs)
    expect(await standing(id)).toMatchObject({ cause: 'owner_removed' })
    await expect.poll(() => existsSync(socket)).toBe(false)
    await task.program.kill()
  })

  test('its renewals are used up', async () => {
    await jobRole(product, { name: 'short', spiffeId: `${jobId}/short`, credentialTtlSeconds: 10, budget: { seconds: 300, renewals: 0, steps: 1, children: 0, depth: 0 } })
    const { id, socket, task } = await running(near, undefined, { spiffeId: `${jobId}/short`, role: 'short' })
    await expect.poll(async () => (await standing(id)).cause).toBe('budget')
    await expect.poll(() => existsSync(socket)).toBe(false)
    await task.program.kill()
  })

  test('what is above it ends: a grant that it asked for on its own socket goes with it', async () => {
    const { id, socket, task } = await running()
    task.tell({ do: 'run', socket, spiffeId: jobId, role: 'job' })
    const child = await task.said('bound', (line) => line['state'] === 'active' && line['id'] !== id)
    expect(child['spiffeId']).toContain(`/task/${id}/sub/`)
    await product.admin.unary('mayfly.v1.GrantAdmin', 'End', { grantId: id, cause: 'operator' })
    expect(await standing(String(child['id']))).toMatchObject({ cause: 'parent_ended' })
    await expect.poll(() => existsSync(String(child['socket']))).toBe(false)
    await task.program.kill()
  })

  test.skipIf(!existsSync('/usr/bin/ssh-keygen'))('a person takes back the approval that it stands on (skipped where there is no ssh-keygen)', async () => {
    const alice = await personKey(product.dir, 'alice')
    await product.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name: 'alice', sshKeys: [alice.line], roles: ['approve'] })
    await jobRole(product, { name: 'approved', spiffeId: `${jobId}/approved`, approvals: 1 })
    const started = running(near, undefined, { spiffeId: `${jobId}/approved`, role: 'approved' })
    const waiting = async (): Promise<string | undefined> => (await product.admin.unary('mayfly.v1.Approvals', 'List', {})).approvals[0]?.canonical
    await expect.poll(waiting).toBeDefined()
    const words = (await waiting()) ?? ''
    const id = /grant: "(\w+)"/.exec(words)?.[1] ?? ''
    await product.admin.unary('mayfly.v1.Approvals', 'Approve', { id, approver: 'alice', signature: await alice.sign(words, approvalNamespace) })
    const { chain, task } = await started
    const atMs = systemClock.nowMs()
    await product.admin.unary('mayfly.v1.Approvals', 'Withdraw', { grantId: id, approver: 'alice', signature: await alice.sign(words.replace('mayfly approve', 'mayfly withdraw'), approvalNamespace) })
    expect(await refusedAfter(chain, atMs)).toBeLessThan(soonMs)
    expect(await standing(id)).toMatchObject({ cause: 'approval_withdrawn' })
    await task.program.kill()
  })

  test('its key says that it has leaked', async () => {
    const { id, chain, task } = await running()
    const { key } = await task.said('svid')
    const leaked = PrivateKey.fromPkcs8(Buffer.from(String(key), 'base64'))
    const { spki } = leaked
    const atMs = systemClock.nowMs()
    await product.admin.unary('mayfly.v1.Leaks', 'Report', { publicKey: Buffer.from(spki), signature: Buffer.from(signPlain(leaked.keyObject, leakStatement(parseTrustDomain('example.org'), publicKeyHash(spki)))) })
    expect(await refusedAfter(chain, atMs)).toBeLessThan(soonMs)
    await expect.poll(async () => (await standing(id)).cause).toBe('leak')
    await task.program.kill()
  })

  test('the server is away: no step is let pass on what was known before', async () => {
    const { socket, task } = await running()
    task.tell({ do: 'step', socket, name: 'before' })
    expect(await task.said('step', ({ name }) => name === 'before')).toMatchObject({ allowed: true })
    await product.killServer()
    for (let at = 0; ; at++) {
      task.tell({ do: 'step', socket, name: `away ${at}` })
      const { allowed, reasons } = await task.said('step', ({ name }) => name === `away ${at}`)
      if (allowed === true) continue
      expect(reasons).toEqual(['state-stale'])
      break
    }
    await product.startServer()
    await task.program.kill()
  })

  test('a probe of its node holds no more', async () => {
    const image = join(product.dir, 'image')
    const config = join(product.dir, 'probes.yaml')
    writeFileSync(image, 'as built')
    writeFileSync(config, `probes:\n  - { name: image, file: ${image} }\n`)
    const probed = await product.startAgent(['--config', config])
    await jobRole(product, { name: 'probed', spiffeId: `${jobId}/probed`, probes: ['image'], credentialTtlSeconds: 10 })
    await using task = await GrantTask.start()
    const { id, socket } = await task.run(probed.workloadSocket, { spiffeId: `${jobId}/probed`, role: 'probed' })
    task.tell({ do: 'svid', socket })
    await task.said('svid')
    writeFileSync(image, 'tampered with')
    await expect.poll(async () => (await standing(id)).cause).toBe('posture') // at its next renewal, at the latest
    await expect.poll(() => existsSync(socket)).toBe(false)
    await probed.kill()
  })

  test('SVID and key that were copied out serve nobody once it has ended', async () => {
    const { socket, chain, task } = await running()
    const { key } = await task.said('svid')
    expect(PrivateKey.fromPkcs8(Buffer.from(String(key), 'base64')).kind).toBe('P-256') // what a thief has is all that there is
    expect(verifier.verdict(chain)).toBe('accepted')
    task.tell({ do: 'end', socket, cause: 'completed' })
    expect((await verifier.refused(chain)).verdict).toBe('revoked')
    await task.program.kill()
  })

  test('the agent was killed and starts anew: what it held is ended', async () => {
    const { id, chain, task } = await running()
    await near.kill()
    await near.start()
    const atMs = systemClock.nowMs()
    expect(await refusedAfter(chain, atMs)).toBeLessThan(orphanMs)
    expect(await standing(id)).toMatchObject({ cause: 'orphan' })
    await task.program.kill()
  })
})

async function role(): Promise<GrantRole__Output> {
  const found = (await roles()).find(({ name }) => name === 'job')
  if (found === undefined) throw new Error('there is no role')
  return found
}

async function roles(): Promise<readonly GrantRole__Output[]> {
  return (await product.admin.unary('mayfly.v1.GrantAdmin', 'ListRoles', {})).roles
}
