import type { Decision, Grant, GrantRole, Approval } from '../../../src/core/grant/grant.ts'
import { canonicalRequest } from '../../../src/core/grant/canonical.ts'
import { grantIdOf } from '../../../src/core/grant/grant-id.ts'
import { canonicalIntent, parseIntent } from '../../../src/core/grant/intent.ts'
import { requestedGrant, type GrantWish } from '../../../src/core/grant/request.ts'
import type { DecidedMove, GrantActivation, GrantIssue } from '../../../server/store/grant-model.ts'
import type { CredentialRequest, Store } from '../../../server/store/port.ts'
import { actorAt, agentId, authorityId, by, id, nowMs, prepareToIssue, sha256, trustDomain } from './samples.ts'

export const policyHash: string = sha256('policy')

/** A role `writer` of the owner `team-a`, which allows to read and write all of `db` in production. */
export function role(overrides: Partial<GrantRole> = {}): GrantRole {
  return {
    name: 'writer',
    spiffeId: id('/deploy-bot'),
    owner: 'team-a',
    requesters: [{ parentId: agentId, selectors: ['unix:uid:1000'] }],
    intents: [{ actions: ['read', 'write'], resources: ['db:*'], dataClass: 'internal', workspace: { system: 'billing', environment: 'production', tenant: '' } }],
    budget: { seconds: 3_600, renewals: 100, steps: 1_000, children: 20, depth: 3 },
    credentialTtlSeconds: 300,
    approvalTtlSeconds: 600,
    approvals: 0,
    approvers: [],
    minTier: 'pid',
    progressSeconds: 0,
    endOnSecondUse: false,
    confirmActions: [],
    approveActions: [],
    probes: [],
    version: 1,
    ...overrides,
  }
}

/** The nth ID of a grant. */
export function grantId(n: number): string {
  return grantIdOf(Buffer.from(sha256(`grant ${n}`).slice(0, 32), 'hex'))
}

/** What the role's `writer` might be asked for: to write `db:orders`, as number n. */
export function wish(n: number, overrides: Partial<GrantWish> = {}): GrantWish {
  return {
    id: grantId(n),
    agentId,
    requester: `uid:1000 on ${agentId}`,
    instance: `pid 1 of boot ${n}`,
    intent: parseIntent({ actions: ['write'], resources: ['db:orders'], workspace: { system: 'billing', environment: 'production' }, reason: 'migration 42', expectedOutcome: 'orders are migrated' }),
    ttlSeconds: 0,
    flags: [],
    requestedAtMs: nowMs,
    ...overrides,
  }
}

/** The grant that a wish comes to, with its hashes. */
export function requested(given: GrantRole, parent: Grant | undefined, wanted: GrantWish): Grant {
  return withHashes(requestedGrant(given, parent, wanted))
}

export function withHashes(grant: Omit<Grant, 'intentHash' | 'requestHash'>): Grant {
  return { ...grant, intentHash: sha256(canonicalIntent(grant.intent)), requestHash: sha256(canonicalRequest(trustDomain, grant)) }
}

export function decision(at: Decision['at'], atMs: number = nowMs, allowed = true): Decision {
  return { at, allowed, reasons: [allowed ? 'permit-role' : 'forbid-window'], policyHash, atMs }
}

export function decided(outcome: DecidedMove['outcome'], approvalsNeeded = 0, atMs: number = nowMs): { readonly move: DecidedMove; readonly asked: string } {
  return { move: { kind: 'decided', decision: decision('request', atMs, outcome !== 'denied'), outcome, approvalsNeeded }, asked: '{"action":"request"}' }
}

/** A credential of the grant with a key of its own, for `ttlMs` from `atMs` on. */
export function credential(grant: Grant, key: string, atMs: number = nowMs, ttlMs = 60_000): CredentialRequest & { readonly kind: 'grant' } {
  return {
    kind: 'grant',
    spiffeId: grant.spiffeId,
    agentId: grant.agentId,
    owner: grant.owner,
    publicKeyHash: sha256(key),
    authorityId,
    notBeforeMs: atMs - 10_000,
    notAfterMs: Math.floor((atMs + ttlMs) / 1_000) * 1_000,
    random: Uint8Array.from([8, 7, 6, 5, 4, 3, 2, 1]),
  }
}

export function activation(grant: Grant, key: string, atMs: number = nowMs, ttlMs?: number): GrantActivation {
  return { ...issueOf(grant, key, 'activate', atMs, ttlMs), instance: `${grant.instance} child`, binding: 'process', tier: 'pidfd' }
}

export function renewal(grant: Grant, key: string, atMs: number = nowMs, ttlMs?: number): GrantIssue {
  return issueOf(grant, key, 'renew', atMs, ttlMs)
}

function issueOf(grant: Grant, key: string, at: 'activate' | 'renew', atMs: number, ttlMs: number | undefined): GrantIssue {
  return { credential: credential(grant, key, atMs, ttlMs), decision: decision(at, atMs), asked: `{"action":"${at}"}`, ifVersion: grant.version }
}

export function approval(grant: Grant, approver: string, atMs: number = nowMs, expiresAtMs: number = atMs + 7_200_000): Approval {
  return { approver, atMs, expiresAtMs, signature: `signature of ${approver} over ${grant.requestHash}`, withdrawn: false }
}

/** An authority, an agent, the owners `team-a` and `team-b`, three people, and the role. */
export async function prepareForGrants(store: Store, given: GrantRole = role()): Promise<GrantRole> {
  await prepareToIssue(store)
  for (const name of ['team-a', 'team-b']) await store.owners.put({ name, contact: `${name}@example.org` }, by)
  for (const name of ['alice', 'bob', 'carol']) {
    await store.people.put({ name, sshKeys: [`ssh-ed25519 AAAA${Buffer.from(`key of ${name}`).toString('base64')}`], owners: name === 'carol' ? ['team-a'] : [], roles: ['approve'] }, by)
  }
  return store.roles.put(given, 0, by)
}

/** A grant that runs, number n. */
export async function activeGrant(store: Store, n: number, parent?: Grant, wanted: Partial<GrantWish> = {}, atMs: number = nowMs): Promise<Grant> {
  const given = await store.roles.byName('writer')
  if (given === undefined) throw new Error('there is no role: prepareForGrants first')
  const grant = await store.grants.request(requested(given, parent, wish(n, { requestedAtMs: atMs, ...wanted })), actorAt(atMs), decided('approved', 0, atMs))
  const issued = await store.grants.activate(grant.id, activation(grant, `key of grant ${n}`, atMs), actorAt(atMs))
  await store.credentials.release([issued.serial], atMs)
  return issued.grant
}
