import { expect, test } from 'vitest'
import { activation, activeGrant, approval, decided, prepareForGrants, renewal, requested, role, wish } from '../../../support/store/grants.ts'
import { actorAt, by, issue, nowMs, request, sha256, spec } from '../../../support/store/samples.ts'
import { withStore, type MakePlace } from '../contract.ts'

/** Roles, owners, people and their approvals, policies, exceptions. */
export function grantTermsContract(makePlace: MakePlace): void {
  test('a role is put where it was looked at, in its one form, and only for an owner who answers', () =>
    withStore(makePlace, async (store) => {
      const first = await prepareForGrants(store)
      expect(first.version).toBe(1)
      const { version: _version, ...spec } = role({ confirmActions: ['write', 'read', 'write'] })
      await expect(store.roles.put(spec, 0, by)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', details: { version: 1 } })
      expect(await store.roles.put(spec, 1, by)).toMatchObject({ version: 2, confirmActions: ['read', 'write'] })
      await expect(store.roles.put({ ...spec, owner: 'nobody' }, 2, by)).rejects.toMatchObject({ code: 'OWNER_MISSING' })
      await expect(store.roles.put({ ...spec, name: 'Not a name' }, 0, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect((await store.roles.all()).map(({ name }) => name)).toEqual(['writer'])
      await expect(store.roles.delete('reader', by)).rejects.toMatchObject({ code: 'ROLE_UNKNOWN' })
    }))

  test('removing an owner ends what is theirs, and nothing is issued for it any more', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      await store.entries.create([spec(1, { owner: 'team-a' }), spec(2, { owner: 'team-b' })], by)
      const [mine = '', theirs = ''] = await issue(store, request(1, { owner: 'team-a' }), request(2, { owner: 'team-b' }))
      const grant = await activeGrant(store, 1)
      const waiting = await store.grants.request(requested(given, undefined, wish(2)), by, decided('approved'))
      const all = { endAll: true, dryRun: false }
      await expect(store.owners.remove('team-a', { ...all, endAll: false }, by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED', details: { grants: 2, entries: 1, roles: 1 } })
      await expect(store.owners.remove('team-a', { ...all, expect: 2 }, by)).rejects.toMatchObject({ code: 'EXPECTATION_FAILED' })
      expect(await store.owners.remove('team-a', { ...all, dryRun: true }, by)).toMatchObject({ owned: { grants: 2, entries: 1, roles: 1 }, hits: { credentials: 2 } })
      expect(await store.grants.byId(grant.id)).toMatchObject({ state: 'active' })

      const end = await store.owners.remove('team-a', { ...all, expect: 3 }, by)
      expect(end).toMatchObject({ owned: { grants: 2, entries: 1, roles: 1 }, hits: { credentials: 2 }, more: false })
      expect(await store.grants.byId(grant.id)).toMatchObject({ state: 'ending', cause: 'owner_removed' })
      expect(await store.grants.byId(waiting.id)).toMatchObject({ state: 'ended', cause: 'owner_removed' })
      expect(await store.credentials.bySerial(mine)).toMatchObject({ state: 'revoked', cause: 'owner_removed' })
      expect(await store.credentials.bySerial(theirs)).toMatchObject({ state: 'released' })
      expect(await store.credentials.reserve([request(1, { owner: 'team-a', key: 'new' })], nowMs)).toMatchObject([{ ok: false, code: 'TARGET_DISABLED' }])
      await expect(store.grants.request(requested(given, undefined, wish(3)), by)).rejects.toMatchObject({ code: 'OWNER_MISSING' })
      await expect(store.owners.remove('team-a', all, by)).rejects.toMatchObject({ code: 'OWNER_MISSING' })
      expect(await store.owners.unowned(10)).toEqual(['entry entry-1', `grant ${grant.id}`, 'role writer'])
      await store.journal.verify()
    }))

  test('what is transferred goes on under the other owner; what waited for approval lapses, since it would be another request', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store)
      await store.entries.create([spec(1, { owner: 'team-a' })], by)
      const [serial = ''] = await issue(store, request(1, { owner: 'team-a' }))
      const grant = await activeGrant(store, 1)
      const waiting = await store.grants.request(requested(given, undefined, wish(2)), by, decided('pending', 1))
      await expect(store.owners.transfer('team-a', 'nobody', by)).rejects.toMatchObject({ code: 'OWNER_MISSING' })
      expect(await store.owners.transfer('team-a', 'team-b', by)).toMatchObject({ owned: { grants: 2, entries: 1, roles: 1 }, ended: [waiting.id], more: false })
      expect(await store.grants.byId(waiting.id)).toMatchObject({ state: 'lapsed' })
      expect(await store.entries.byId('entry-1')).toMatchObject({ owner: 'team-b', revision: 1 })
      expect(await store.roles.byName('writer')).toMatchObject({ owner: 'team-b', version: 2 })
      expect(await store.credentials.bySerial(serial)).toMatchObject({ owner: 'team-b', state: 'released' })
      const moved = await store.grants.byId(grant.id)
      expect(moved).toMatchObject({ owner: 'team-b', state: 'active', serial: grant.serial })
      await store.owners.remove('team-a', { endAll: false, dryRun: false }, by)
      expect((await store.grants.renew(grant.id, renewal(moved ?? grant, 'k2'), by)).grant).toMatchObject({ owner: 'team-b' })
      expect(await store.owners.all()).toMatchObject([{ name: 'team-a', removed: true, grants: 0 }, { name: 'team-b', entries: 1, roles: 1, grants: 1 }])
      await store.journal.verify()
    }))

  test('a key belongs to one person', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const [alice] = await store.people.all()
      await expect(store.people.put({ name: 'mallory', sshKeys: alice?.sshKeys ?? [], owners: [], roles: [] }, by)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      await expect(store.people.put({ name: 'alice', sshKeys: alice?.sshKeys ?? [], owners: ['teem-b'], roles: [] }, by)).rejects.toMatchObject({ code: 'OWNER_MISSING' })
      await expect(store.people.put({ name: 'mallory', sshKeys: ['no key'], owners: [], roles: [] }, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect(await store.people.put({ name: 'alice', sshKeys: [...alice?.sshKeys ?? [], 'ssh-ed25519 AAAAC3Nz'], owners: ['team-b'], roles: [] }, actorAt(nowMs + 5))).toMatchObject({ addedAtMs: nowMs })
      await store.people.remove('alice', by)
      expect(await store.people.byName('alice')).toBeUndefined()
      expect(await store.people.put({ name: 'mallory', sshKeys: alice?.sshKeys ?? [], owners: [], roles: [] }, by)).toMatchObject({ name: 'mallory' })
      await expect(store.people.remove('alice', by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await store.journal.verify()
    }))

  test('a request that wants two approvals gets them from two people, neither its owner nor one who speaks for it, each signature once', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store, role({ approvals: 2 }))
      await expect(store.grants.request(requested(given, undefined, wish(1)), by, decided('approved'))).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await expect(store.grants.request(requested(given, undefined, wish(1)), by, decided('pending', 1))).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      const grant = await store.grants.request(requested(given, undefined, wish(1)), by, decided('pending', 2))
      const other = await store.grants.request(requested(given, undefined, wish(2)), by, decided('pending', 2))
      const say = (who: string, over = grant, requestHash = over.requestHash): Promise<unknown> => store.grants.move(grant.id, undefined, { kind: 'approved', approval: approval(over, who), requestHash }, by)
      await expect(say('carol')).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await expect(say('mallory')).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await expect(say('alice', other)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      expect(await say('alice')).toMatchObject({ grant: { state: 'pending_approval' } })
      await expect(say('alice')).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await expect(store.grants.activate(grant.id, activation(grant, 'k'), by)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
      await expect(say('bob', grant, sha256('other'))).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      expect(await say('bob')).toMatchObject({ grant: { state: 'approved' } })
      // alice's signature over the first request, brought to the second
      const reused = { kind: 'approved' as const, approval: { ...approval(other, 'alice'), signature: approval(grant, 'alice').signature }, requestHash: other.requestHash }
      await expect(store.grants.move(other.id, undefined, reused, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: 'this signature was used before' })
      await store.journal.verify()
    }))

  test('an approval that is withdrawn ends the grant when too few are left', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store, role({ approvals: 1 }))
      const grant = await store.grants.request(requested(given, undefined, wish(1)), by, decided('pending', 1))
      const { grant: approved } = await store.grants.move(grant.id, undefined, { kind: 'approved', approval: approval(grant, 'alice', nowMs, nowMs + 1_800_000), requestHash: grant.requestHash }, by)
      const { grant: active } = await store.grants.activate(grant.id, activation(approved, 'k'), by)
      expect(active.deadlineMs).toBe(nowMs + 1_800_000)
      await expect(store.grants.move(grant.id, undefined, { kind: 'withdrawn', approver: 'bob' }, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      expect(await store.grants.move(grant.id, undefined, { kind: 'withdrawn', approver: 'alice' }, by)).toMatchObject({ ended: [grant.id], hits: { credentials: 1 }, grant: { state: 'ending', cause: 'approval_withdrawn' } })
      await store.journal.verify()
    }))

  test('a person says no; a signature over something else is good once', () =>
    withStore(makePlace, async (store) => {
      const given = await prepareForGrants(store, role({ approvals: 1, approvers: ['alice'] }))
      const grant = await store.grants.request(requested(given, undefined, wish(1)), by, decided('pending', 1))
      await expect(store.grants.move(grant.id, undefined, { kind: 'denied', approver: 'bob', reason: 'no' }, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      expect(await store.grants.move(grant.id, undefined, { kind: 'denied', approver: 'alice', reason: 'not today' }, by)).toMatchObject({ grant: { state: 'denied', detail: 'not today' } })
      const spent = { approver: 'alice', signedHash: sha256('a step'), signature: 'a signature' }
      await store.people.spendSignature(spent, by)
      await expect(store.people.spendSignature({ ...spent, signature: 'a  signature\n' }, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await expect(store.people.spendSignature({ ...spent, signature: 'another over the same' }, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await expect(store.people.spendSignature({ ...spent, approver: 'nobody' }, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await store.journal.verify()
    }))

  test('a policy is applied over the one that was looked at', () =>
    withStore(makePlace, async (store) => {
      expect(await store.policies.current()).toBeUndefined()
      const first = await store.policies.apply({ policies: { permit: 'permit (principal, action, resource);' }, hash: sha256('one'), reason: 'start' }, 0, by)
      expect(first).toMatchObject({ version: 1, by: by.name, atMs: nowMs })
      await expect(store.policies.apply({ policies: {}, hash: sha256('two'), reason: '' }, 0, by)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
      const second = await store.policies.apply({ policies: {}, hash: sha256('two'), reason: '' }, 1, by)
      expect(await store.policies.current()).toEqual(second)
      expect(await store.policies.byHash(sha256('one'))).toEqual(first)
      expect((await store.policies.history(10)).map(({ version }) => version)).toEqual([2, 1])
      await store.journal.verify()
    }))

  test('an exception has an owner, an approver who is another, a reason and a review to come', () =>
    withStore(makePlace, async (store) => {
      await prepareForGrants(store)
      const given = { id: 'slow-migration', control: 'max_ttl', scope: 'writer', owner: 'team-a', reason: 'a long night', approver: 'alice', reviewAtMs: nowMs + 1_000, value: 7_200 }
      const signed = { signedHash: sha256('the words'), signature: 'by alice' }
      await expect(store.exceptions.put({ ...given, reviewAtMs: nowMs }, signed, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(store.exceptions.put({ ...given, approver: 'team-a' }, signed, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(store.exceptions.put({ ...given, reason: '' }, signed, by)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(store.exceptions.put({ ...given, owner: 'nobody' }, signed, by)).rejects.toMatchObject({ code: 'OWNER_MISSING' })
      await expect(store.exceptions.put({ ...given, approver: 'nobody' }, signed, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      expect(await store.exceptions.all()).toEqual([])
      expect(await store.exceptions.put(given, signed, by)).toMatchObject({ createdAtMs: nowMs })
      await expect(store.exceptions.put(given, signed, by)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      await expect(store.exceptions.put({ ...given, id: 'another' }, signed, by)).rejects.toMatchObject({ code: 'APPROVAL_INVALID', message: expect.stringContaining('used before') })
      expect(await store.exceptions.all()).toEqual([{ ...given, createdAtMs: nowMs }])
      await store.exceptions.remove(given.id, by)
      await expect(store.exceptions.remove(given.id, by)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await store.journal.verify()
    }))
}
