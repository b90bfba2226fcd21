import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { checkMayApproveException, checkWaivable, waiversOf } from '../../../server/policy/exceptions.ts'
import type { Person, PolicyException } from '../../../server/store/grant-model.ts'
import { approvalNamespace, exceptionStatement } from '../../../src/core/approval/statement.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { PolicyEngine } from '../../../src/policy/engine.ts'
import { starterPolicy } from '../../../src/policy/starter.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { grantBench } from '../../support/server/grants.ts'
import { role as sampleRole } from '../../support/store/grants.ts'
import { startServer } from '../../support/server/test-server.ts'
import { personKey } from '../../support/ssh/person-key.ts'
import { temporaryFolder } from '../../support/store/open.ts'

const noWrites = { ...starterPolicy, 'no-writes': 'forbid (principal, action, resource) when { context.actions.contains("write") };' }

test('the policy of a new trust domain is in force before any was applied', async () => {
  const server = await startServer()
  expect(await server.admin.unary('mayfly.v1.Policies', 'Show', {})).toMatchObject({ version: 0, set: { policies: starterPolicy } })
})

describe('applying a policy', () => {
  test('asks about every active grant again, and ends those that it does not allow', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const writes = await bench.active()
    const reads = await bench.active({ intent: { actions: ['read'], resources: ['db:orders'], workspace: { system: 'shop', environment: 'staging', tenant: '' }, reason: 'looking' } }, { instance: 'boot:200:2' })
    const dry = await server.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies: noWrites }, dryRun: true })
    expect(dry).toMatchObject({ evaluated: 2, endedGrantIds: [writes.grant.id] })
    expect(await bench.show(writes.grant.id)).toMatchObject({ state: 'active' })

    const done = await server.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies: noWrites }, reason: 'freeze' })
    expect(done).toMatchObject({ version: 1, hash: dry.hash, evaluated: 2, endedGrantIds: [writes.grant.id] })
    expect(await bench.show(writes.grant.id)).toMatchObject({ cause: 'policy_change' })
    expect(await bench.show(reads.grant.id)).toMatchObject({ state: 'active' })
    expect(await bench.request()).toMatchObject({ state: 'denied', decision: { reasons: ['no-writes'], policyHash: done.hash } })
  })

  test('one that has a problem changes nothing, and says what it is', async () => {
    const server = await startServer()
    const broken = { ...starterPolicy, typo: 'forbid (principal, action, resource) when { context.raeson == "" };' }
    await expect(server.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies: broken } })).rejects.toMatchObject({ code: 'POLICY_INVALID', message: expect.stringContaining('typo') })
    expect(await server.admin.unary('mayfly.v1.Policies', 'Show', {})).toMatchObject({ version: 0 })
  })

  test('the same comes back after a restart', async () => {
    const first = await startServer()
    const { hash } = await first.admin.unary('mayfly.v1.Policies', 'Apply', { set: { policies: noWrites } })
    const { dataDir } = first
    await first.stop()
    const second = await startServer({ dataDir })
    expect(await second.admin.unary('mayfly.v1.Policies', 'Show', {})).toMatchObject({ version: 1, hash })
  })
})

describe('looking back', () => {
  test('a decision is explained by the control that denied and the facts that it was asked on', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const { id } = await bench.request({ intent: { actions: ['write'], resources: ['db:orders'], workspace: { system: 'shop', environment: 'staging', tenant: '' }, reason: '' } })
    const { decisions, request } = await server.admin.unary('mayfly.v1.Policies', 'Explain', { grantId: id })
    expect(decisions).toMatchObject([{ at: 'request', allowed: false, reasons: ['reason-given'] }])
    expect(JSON.parse(request)).toMatchObject({ action: 'request', context: { reason: '', role: 'deploy' }, resources: [{ name: 'db:orders', dataClass: 'internal' }] })
  })

  test('a replay says what another policy would have decided, and changes nothing', async () => {
    const server = await startServer()
    const bench = await grantBench(server)
    const { grant } = await bench.active()
    const { requests, differences } = await server.admin.unary('mayfly.v1.Policies', 'Replay', { set: { policies: noWrites } })
    expect(requests).toBe(2)
    expect(differences).toMatchObject([
      { grantId: grant.id, at: 'request', wasAllowed: true, nowAllowed: false, reasons: ['no-writes'] },
      { grantId: grant.id, at: 'activate', wasAllowed: true, nowAllowed: false },
    ])
    expect(await bench.show(grant.id)).toMatchObject({ state: 'active' })
  })
})

describe('exceptions', () => {
  const exception: PolicyException = { id: 'one', control: 'reason-given', scope: 'role:deploy', owner: 'team-db', reason: 'why', approver: 'alice', createdAtMs: 1_000, reviewAtMs: 2_000, value: 0 }
  const covered = { role: 'deploy', owner: 'team-db', spiffeId: 'spiffe://example.org/deploy-bot' }

  test.for([
    ['by role', { scope: 'role:deploy' }, 1_500, ['reason-given']],
    ['by owner', { scope: 'owner:team-db' }, 1_500, ['reason-given']],
    ['by SPIFFE ID', { scope: 'spiffe://example.org/deploy-bot' }, 1_500, ['reason-given']],
    ['of another role', { scope: 'role:deploy2' }, 1_500, []],
    ['a part of a name', { scope: 'role:dep' }, 1_500, []],
    ['before it was made', {}, 999, []],
    ['at the last moment before its review', {}, 1_999, ['reason-given']],
    ['invariant 14: at its review', {}, 2_000, []],
  ] as const)('%s', ([, changed, nowMs, controls]) => {
    expect(waiversOf([{ ...exception, ...changed }], covered, nowMs).controls).toEqual(controls)
  })

  test('raise the longest life, and waive no control by that name', () => {
    expect(waiversOf([{ ...exception, control: 'max_ttl', value: 7_200 }], covered, 1_500)).toEqual({ controls: [], maxTtlSeconds: 7_200, untilMs: 2_000 })
  })

  test('are approved by an approver who speaks neither for their owner nor for an owner of what they are for', () => {
    const role = sampleRole({ name: 'deploy', owner: 'platform', spiffeId: parseSpiffeId('spiffe://example.org/deploy-bot') })
    const person = { name: 'alice', sshKeys: [], owners: ['team-web'], roles: ['approve'], addedAtMs: 0 }
    const check = (who: Partial<Person>, scope: string) => () => checkMayApproveException({ ...person, ...who }, { scope, owner: 'team-db' }, [role])
    for (const scope of ['role:deploy', 'owner:platform', 'spiffe://example.org/deploy-bot']) {
      expect(check({}, scope)).not.toThrow()
      expect(check({ owners: ['platform'] }, scope)).toThrow(/speaks for platform/)
      expect(check({ owners: ['team-db'] }, scope)).toThrow(/speaks for team-db/)
      expect(check({ name: 'platform' }, scope)).toThrow(/their own/)
      expect(check({ roles: ['read'] }, scope)).toThrow(/no approver/)
    }
    expect(check({ owners: ['platform'] }, 'owner:team-web')).not.toThrow()
  })

  test('are for something that there is: approved before there is a role, nobody could tell whose own it is', () => {
    const person = { name: 'alice', sshKeys: [], owners: ['platform'], roles: ['approve'], addedAtMs: 0 }
    const role = sampleRole({ name: 'deploy', owner: 'team-web', spiffeId: parseSpiffeId('spiffe://example.org/deploy-bot') })
    for (const scope of ['role:later', 'spiffe://example.org/later']) expect(() => checkMayApproveException(person, { scope, owner: 'team-db' }, [role])).toThrow(/no grant role is covered/)
  })

  test('waive what the policy in force says may be waived, and nothing by another name', async () => {
    using engine = await PolicyEngine.load({ ...starterPolicy, 'no-writes': 'forbid (principal, action, resource) when { context.actions.contains("write") };' })
    for (const control of ['max_ttl', 'reason-given', 'posture-holds']) expect(() => checkWaivable(control, engine.waivable)).not.toThrow()
    for (const control of ['no-writes', 'reason-givne', 'request']) {
      expect(() => checkWaivable(control, engine.waivable)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: `the policy in force lets no exception waive "${control}"`, hint: expect.stringContaining('max_ttl, ') }))
    }
    expect(() => checkWaivable('anything', undefined)).not.toThrow()
  })

  test('need the signature of the person who approves them', async () => {
    const server = await startServer()
    const put = { control: 'reason-given', scope: 'role:deploy', owner: 'team-db', reason: 'why', approver: 'alice', reviewAtMs: Date.UTC(2090, 0), value: 0, signature: '' }
    await expect(server.admin.unary('mayfly.v1.Policies', 'PutException', { ...put, reviewAtMs: systemClock.nowMs() + 3_600_000 })).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    await expect(server.admin.unary('mayfly.v1.Policies', 'PutException', put)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('within a year') })
  })

  test.skipIf(!existsSync('/usr/bin/ssh-keygen'))('have an owner that is registered, and an approver that is; what is refused spends no signature', async () => {
    await using folder = await temporaryFolder()
    const [server, alice] = [await startServer(), await personKey(folder.path, 'alice')]
    const exception = { control: 'reason-given', scope: 'owner:team-web', owner: 'team-web', reason: 'why', approver: 'alice', reviewAtMs: systemClock.nowMs() + 3_600_000, value: 0 }
    const put = async (): Promise<unknown> => await server.admin.unary('mayfly.v1.Policies', 'PutException', { ...exception, signature })
    const signature = await alice.sign(exceptionStatement(parseTrustDomain('example.org'), exception), approvalNamespace)
    await expect(put()).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: expect.stringContaining('nobody is registered') })
    await server.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name: 'alice', sshKeys: [alice.line], owners: [], roles: ['approve'] })
    await expect(put()).rejects.toMatchObject({ code: 'OWNER_MISSING' })
    await server.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'team-web', contact: '' })
    expect(await put()).toMatchObject({ owner: 'team-web', approver: 'alice' })
    await expect(put()).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: expect.stringContaining('used before') })
  })

  test.skipIf(!existsSync('/usr/bin/ssh-keygen'))('that are removed take with them what runs on them, and nothing else', async () => {
    await using folder = await temporaryFolder()
    const [server, alice] = [await startServer(), await personKey(folder.path, 'alice')]
    const bench = await grantBench(server, { credentialTtlSeconds: 3_600 })
    await server.admin.unary('mayfly.v1.Approvals', 'AddPerson', { name: 'alice', sshKeys: [alice.line], owners: [], roles: ['approve'] })
    expect(await bench.request()).toMatchObject({ state: 'denied', detail: 'life-within-limit' })
    const exception = { control: 'max_ttl', scope: 'role:deploy', owner: 'team-db', reason: 'a long copy', approver: 'alice', reviewAtMs: systemClock.nowMs() + 7_200_000, value: 3_600 }
    const signature = await alice.sign(exceptionStatement(parseTrustDomain('example.org'), exception), approvalNamespace)
    const { id } = await server.admin.unary('mayfly.v1.Policies', 'PutException', { ...exception, signature })
    const long = await bench.active()
    await bench.putRole({ credentialTtlSeconds: 3_600, name: 'other', spiffeId: 'spiffe://example.org/other' })
    const short = await bench.active({ spiffeId: 'spiffe://example.org/other', ttlSeconds: 300 })
    await server.admin.unary('mayfly.v1.Policies', 'RemoveException', { name: id })
    const shown = async (grantId: string): Promise<unknown> => await server.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId })
    expect(await shown(long.grant.id)).toMatchObject({ cause: 'policy_change', detail: 'life-within-limit' })
    expect(await shown(short.grant.id)).toMatchObject({ state: 'active' })
  })
})
