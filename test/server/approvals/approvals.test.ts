import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { approvalNamespace } from '../../../src/core/approval/statement.ts'
import { grantBench, workspace, type GrantBench } from '../../support/server/grants.ts'
import { startServer, type TestServer } from '../../support/server/test-server.ts'
import { personKey, type PersonKey } from '../../support/ssh/person-key.ts'
import { temporaryFolder, type TemporaryFolder } from '../../support/store/open.ts'

describe.skipIf(!existsSync('/usr/bin/ssh-keygen'))('people who approve (skipped where there is no ssh-keygen)', () => {
  let folder: TemporaryFolder
  let alice: PersonKey
  let bob: PersonKey
  let stranger: PersonKey
  beforeAll(async () => {
    folder = await temporaryFolder()
    const key = async (name: string): Promise<PersonKey> => await personKey(folder.path, name)
    ;[alice, bob, stranger] = await Promise.all([key('alice'), key('bob'), key('stranger')])
  })
  afterAll(async () => await folder[Symbol.asyncDispose]())

  test('a request waits until a registered person has signed it, and is active after that', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 1 })
    await expect(bench.activate(waiting.id)).rejects.toMatchObject({ code: 'GRANT_STATE' })
    expect(await approve(server, waiting.id, 'alice', alice)).toMatchObject({ state: 'approved', approvals: [{ approver: 'alice', withdrawn: false }] })
    expect(await bench.activate(waiting.id)).toMatchObject({ grant: { state: 'active' } })
  })

  test('two approvals are two people', async () => {
    const { server, waiting } = await waitingRequest({ approvals: 2 })
    expect(await approve(server, waiting.id, 'alice', alice)).toMatchObject({ state: 'pending_approval' })
    await expect(approve(server, waiting.id, 'alice', alice)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    expect(await approve(server, waiting.id, 'bob', bob)).toMatchObject({ state: 'approved' })
  })

  test('what is signed is shown word for word, and nothing else is taken', async () => {
    const { server, waiting } = await waitingRequest({ approvals: 1 })
    const { canonical } = await shown(server, waiting.id)
    for (const part of [waiting.id, 'team-db', 'write', 'db:orders', 'migration 42', 'CHG-7', 'staging']) expect(canonical).toContain(part)
    const wrong = {
      'another request': canonical.replace('db:orders', 'db:users'),
      'a denial': canonical.replace('mayfly approve', 'mayfly deny'),
      'an end cut off': canonical.slice(0, -1),
    }
    for (const [name, words] of Object.entries(wrong)) await expect(send(server, waiting.id, 'alice', await alice.sign(words, approvalNamespace)), name).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    await expect(send(server, waiting.id, 'alice', await alice.sign(canonical, 'file'))).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    expect(await bobAndAlice(server, waiting.id)).toMatchObject({ state: 'pending_approval' })
  })

  test('a key that is not the person’s is nobody’s approval', async () => {
    const { server, waiting } = await waitingRequest({ approvals: 1 })
    await expect(approve(server, waiting.id, 'alice', stranger)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    await expect(approve(server, waiting.id, 'alice', bob)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    await expect(approve(server, waiting.id, 'mallory', stranger)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
  })

  test('an approval is good for one request: that of another, just alike, takes its own', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 1 })
    const { canonical } = await shown(server, waiting.id)
    const signature = await alice.sign(canonical, approvalNamespace)
    const again = await bench.request()
    await expect(send(server, again.id, 'alice', signature)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    await send(server, waiting.id, 'alice', signature)
    await expect(send(server, waiting.id, 'alice', signature)).rejects.toMatchObject({ code: expect.stringMatching(/APPROVAL_INVALID|GRANT_STATE/) })
  })

  test('nobody approves what is their own, and only those whom the role names', async () => {
    const { server, waiting } = await waitingRequest({ approvals: 1, approvers: ['bob'] })
    await expect(approve(server, waiting.id, 'alice', alice)).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: expect.stringContaining('not one of the approvers') })
    await server.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name: 'bob', sshKeys: [bob.line], owners: ['team-db'], roles: ['approve'] })
    await expect(approve(server, waiting.id, 'bob', bob)).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: expect.stringContaining('their own') })
  })

  test('a task is told the names of those who may still approve: not who has, who owns it, or whom the role or policy leaves out', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 2 })
    expect(waiting.mayApprove).toEqual(['alice', 'bob'])
    await server.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name: 'stranger', sshKeys: [stranger.line], owners: ['team-db'], roles: ['approve'] })
    await approve(server, waiting.id, 'alice', alice)
    expect((await bench.agent.channel.unary('mayfly.v1.GrantControl', 'Show', { grantId: waiting.id })).mayApprove).toEqual(['bob'])
    await bench.putRole({ name: 'named', spiffeId: 'spiffe://example.org/named', approvals: 1, approvers: ['alice', 'carol'] })
    const { id, mayApprove } = await bench.request({ spiffeId: 'spiffe://example.org/named' })
    expect(mayApprove).toEqual(['alice'])
    expect(await approve(server, id, 'alice', alice)).toMatchObject({ state: 'approved', mayApprove: [] })
  })

  test('the owner of a request, when it is a person, never approves it', async () => {
    const { server, bench } = await waitingRequest({ approvals: 1 })
    await server.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'alice', contact: '' })
    await bench.putRole({ approvals: 1, owner: 'alice', name: 'alices', spiffeId: 'spiffe://example.org/alices' })
    const { id } = await bench.request({ spiffeId: 'spiffe://example.org/alices' })
    await expect(approve(server, id, 'alice', alice)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
  })

  test('the admin socket alone approves nothing', async () => {
    const { server, waiting } = await waitingRequest({ approvals: 1 })
    await expect(send(server, waiting.id, 'alice', '')).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    expect((await shown(server, waiting.id)).givenBy).toEqual([])
  })

  test('an approval that is withdrawn ends the grant that stands on it', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 1 })
    await approve(server, waiting.id, 'alice', alice)
    await bench.activate(waiting.id)
    const words = (await shown(server, waiting.id)).canonical.replace('mayfly approve', 'mayfly withdraw')
    const after = await server.admin.unary('mayfly.v1.Approvals', 'Withdraw', { grantId: waiting.id, approver: 'alice', signature: await alice.sign(words, approvalNamespace) })
    expect(after).toMatchObject({ cause: 'approval_withdrawn' })
    expect(['ending', 'ended']).toContain(after.state)
  })

  test('what was signed can be checked for ever: not what it is bound to nor who owns it by now changes the words', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 1 })
    const { canonical } = await shown(server, waiting.id)
    await approve(server, waiting.id, 'alice', alice)
    await bench.activate(waiting.id, { instance: 'boot:999:9' })
    await server.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'others', contact: '' })
    await server.admin.unary('mayfly.v1.GrantAdmin', 'TransferOwner', { from: 'team-db', to: 'others' })
    const now = await shown(server, waiting.id)
    expect(now.grant).toMatchObject({ state: 'active', instance: 'boot:999:9', owner: 'others' })
    expect(now.canonical).toBe(canonical)
    expect(createHash('sha256').update(canonical.replace('mayfly approve 1\n\n', '')).digest('hex')).toBe(now.grant?.requestHash)
    const words = canonical.replace('mayfly approve', 'mayfly withdraw')
    expect(await server.admin.unary('mayfly.v1.Approvals', 'Withdraw', { grantId: waiting.id, approver: 'alice', signature: await alice.sign(words, approvalNamespace) })).toMatchObject({ cause: 'approval_withdrawn' })
  })

  test('a denial is signed too, and says who and why', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 1 })
    const words = (await shown(server, waiting.id)).canonical.replace('mayfly approve', 'mayfly deny')
    const signature = await bob.sign(words, approvalNamespace)
    expect(await server.admin.unary('mayfly.v1.Approvals', 'Deny', { id: waiting.id, approver: 'bob', signature, reason: 'not on a Friday' })).toMatchObject({ state: 'denied', detail: 'not on a Friday' })
    await expect(approve(server, waiting.id, 'alice', alice)).rejects.toMatchObject({ code: 'GRANT_DENIED' })
    await expect(bench.activate(waiting.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('policy decides that restricted data waits for people, whatever the role says', async () => {
    const { server, bench } = await waitingRequest({ approvals: 1 })
    await bench.putRole({ approvals: 0, intents: [{ actions: ['write'], resources: ['db:orders'], dataClass: 'restricted', workspace }] })
    const request = await bench.request()
    expect(request).toMatchObject({ state: 'pending_approval', approvalsNeeded: 1 })
    expect(await approve(server, request.id, 'bob', bob)).toMatchObject({ state: 'approved' })
    expect(await bench.activate(request.id)).toMatchObject({ grant: { state: 'active' } })
  })

  test('one step that needs its own approval waits for a person, and is taken once', async () => {
    const { server, bench } = await waitingRequest({ approvals: 1 })
    await bench.putRole({ approvals: 0, approveActions: ['write'] })
    const { grant } = await bench.active()
    const step = { step: { grantId: grant.id, action: 'write', resource: 'db:orders', description: 'drop the table' } }
    const first = await bench.agent.channel.unary('mayfly.v1.GrantControl', 'ConfirmStep', step)
    expect(first).toMatchObject({ allowed: false, reasons: ['approval-wanted'] })
    const { canonical, step: shownStep } = await shown(server, first.approvalId)
    expect(shownStep).toMatchObject({ action: 'write', resource: 'db:orders', description: 'drop the table' })
    await send(server, first.approvalId, 'alice', await alice.sign(canonical, approvalNamespace))
    expect(await bench.agent.channel.unary('mayfly.v1.GrantControl', 'ConfirmStep', step)).toMatchObject({ allowed: true, reasons: expect.arrayContaining(['approved-by:alice']) })
    expect(await bench.agent.channel.unary('mayfly.v1.GrantControl', 'ConfirmStep', step)).toMatchObject({ allowed: false, reasons: ['approval-wanted'] })
  })

  test('a step is not approved by who speaks for its owner, whatever policy permits; they may deny it', async () => {
    const { server, bench } = await waitingRequest({ approvals: 1 })
    await bench.putRole({ approvals: 0, approveActions: ['write'] })
    const { grant } = await bench.active()
    await server.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies: { workloads: 'permit (principal is Mayfly::Workload, action, resource);', people: 'permit (principal is Mayfly::Person, action, resource);' } }, reason: 'a test' })
    await server.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name: 'bob', sshKeys: [bob.line], owners: ['team-db'], roles: ['approve'] })
    const step = { step: { grantId: grant.id, action: 'write', resource: 'db:orders', description: 'drop the table' } }
    const { approvalId } = await bench.agent.channel.unary('mayfly.v1.GrantControl', 'ConfirmStep', step)
    await expect(approve(server, approvalId, 'bob', bob)).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: expect.stringContaining('their own') })
    const words = (await shown(server, approvalId)).canonical.replace('mayfly approve', 'mayfly deny')
    await server.admin.unary('mayfly.v1.Approvals', 'Deny', { id: approvalId, approver: 'bob', signature: await bob.sign(words, approvalNamespace), reason: 'not this one' })
    expect(await bench.agent.channel.unary('mayfly.v1.GrantControl', 'ConfirmStep', step)).toMatchObject({ allowed: false, reasons: ['denied-by:bob'] })
  })

  test('who asks as a uid does not approve what that uid asked for, on any node or on the one that is named', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 1 })
    const uid = waiting.requester.split(' on ')[0] ?? ''
    const add = async (requester: string): Promise<unknown> => await server.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name: 'alice', sshKeys: [alice.line], requesters: [requester], roles: ['approve'] })
    await expect(add('alice')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    for (const own of [uid, waiting.requester]) {
      await add(own)
      await expect(approve(server, waiting.id, 'alice', alice)).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: expect.stringContaining('their own') })
      expect((await bench.agent.channel.unary('mayfly.v1.GrantControl', 'Show', { grantId: waiting.id })).mayApprove).toEqual(['bob'])
    }
    await add(`${uid} on spiffe://example.org/spire/agent/another`)
    expect(await approve(server, waiting.id, 'alice', alice)).toMatchObject({ state: 'approved' })
  })

  test('what a person approved and has not begun is void once they are removed; what runs goes on', async () => {
    const { server, bench, waiting } = await waitingRequest({ approvals: 1 })
    await approve(server, waiting.id, 'alice', alice)
    await bench.activate(waiting.id)
    const approved = await bench.request()
    await approve(server, approved.id, 'alice', alice)
    await bench.putRole({ approvals: 2 })
    const half = await bench.request()
    await approve(server, half.id, 'alice', alice)
    await server.admin.unary('mayfly.v1.Approvals', 'RemovePerson', { name: 'alice' })
    const state = async (id: string): Promise<unknown> => await server.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId: id })
    expect(await state(waiting.id)).toMatchObject({ state: 'active' })
    expect(await state(approved.id)).toMatchObject({ state: 'ended', cause: 'approval_withdrawn', detail: 'alice is registered no more' })
    expect(await state(half.id)).toMatchObject({ state: 'pending_approval', approvals: [{ approver: 'alice', withdrawn: true }] })
    await expect(bench.activate(approved.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await approve(server, half.id, 'bob', bob)).toMatchObject({ state: 'pending_approval' })
  })

  async function waitingRequest(role: Parameters<GrantBench['putRole']>[0]): Promise<{ server: TestServer; bench: GrantBench; waiting: Awaited<ReturnType<GrantBench['request']>> }> {
    const server = await startServer()
    for (const [name, key] of [['alice', alice], ['bob', bob]] as const) await server.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name, sshKeys: [key.line], roles: ['approve'] })
    const bench = await grantBench(server, role)
    return { server, bench, waiting: await bench.request() }
  }

  /** What a wrong signature left behind: two good ones of which one is enough would show if anything had been counted. */
  async function bobAndAlice(server: TestServer, id: string): Promise<unknown> {
    return (await shown(server, id)).grant
  }
})

type Shown = Awaited<ReturnType<typeof shown>>

async function shown(server: TestServer, id: string) {
  const { approvals } = await server.admin.unary('mayfly.v1.Approvals', 'List', { id })
  const [only] = approvals
  if (only === undefined) throw new Error('nothing waits')
  return only
}

async function send(server: TestServer, id: string, approver: string, signature: string): Promise<unknown> {
  return await server.admin.unary('mayfly.v1.Approvals', 'Approve', { id, approver, signature })
}

async function approve(server: TestServer, id: string, approver: string, key: PersonKey): Promise<unknown> {
  const { canonical }: Shown = await shown(server, id)
  return await send(server, id, approver, await key.sign(canonical, approvalNamespace))
}
