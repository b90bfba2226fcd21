import { plainEntry } from '../../../src/core/entry.ts'
import { createHash } from 'node:crypto'
import type { EntrySpec } from '../../../src/core/entry.ts'
import type { FederatedBundle } from '../../../src/core/federated-bundle.ts'
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain } from '../../../src/core/spiffe-id.ts'
import type { Actor, Authority, CredentialRequest, Store } from '../../../server/store/port.ts'

export const trustDomain: TrustDomain = parseTrustDomain('example.org')
export const nowMs = 1_800_000_000_000
export const by: Actor = { name: 'uid:1000', atMs: nowMs }
/** An agent that {@link attest} makes. */
export const agentId: SpiffeId = id('/spire/agent/join_token/one')
export const authorityId: string = sha256('authority')

export function id(path: string): SpiffeId {
  return parseSpiffeId(`spiffe://example.org${path}`)
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

export function actorAt(atMs: number): Actor {
  return { ...by, atMs }
}

/** An entry of the agent's: `unix:uid:<n>` gets `/workload/<n>`. */
export function spec(n: number, overrides: Partial<EntrySpec & { readonly id: string }> = {}): EntrySpec & { readonly id: string } {
  return {
    id: `entry-${n}`,
    spiffeId: id(`/workload/${n}`),
    parentId: agentId,
    selectors: [{ type: 'unix', value: `uid:${n}` }],
    ...plainEntry,
    ...overrides,
  }
}

/** A bundle as the store takes it: what it holds is looked at by others. @param n makes another of the same trust domain */
export function foreignBundle(name: string, n = 1): FederatedBundle {
  return { trustDomain: parseTrustDomain(name), x509Authorities: [Uint8Array.of(48, 1, n)], jwtAuthorities: [], sequence: n, refreshHintSeconds: 0 }
}

/** A request for the SVID of entry `n`, with a key of its own for each `key`. */
export function request(n: number, overrides: Partial<CredentialRequest & { readonly key: string }> = {}): CredentialRequest {
  const { key = `key ${n}`, ...rest } = overrides
  return {
    kind: 'workload',
    spiffeId: id(`/workload/${n}`),
    entryId: `entry-${n}`,
    agentId,
    owner: '',
    publicKeyHash: sha256(key),
    authorityId,
    notBeforeMs: nowMs - 10_000,
    notAfterMs: nowMs + 900_000,
    random: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
    ...rest,
  }
}

export function authority(name: string, overrides: Partial<Authority> = {}): Omit<Authority, 'state' | 'activatedAtMs'> {
  const { state: _state, activatedAtMs: _activatedAtMs, ...rest } = overrides
  return { id: sha256(name), certificate: Uint8Array.from([48, 1, name.length]), keyName: name, notBeforeMs: nowMs, notAfterMs: nowMs + 604_800_000, preparedAtMs: nowMs, ...rest }
}

/** An active authority and an attested agent: what a store needs before it can issue. */
export async function prepareToIssue(store: Store): Promise<void> {
  await store.authorities.prepare(authority('authority'), by)
  await store.authorities.activate(authorityId, by)
  await attest(store, agentId)
}

export async function attest(store: Store, agent: SpiffeId, token = `token of ${agent}`): Promise<void> {
  await store.agents.createJoinToken({ tokenHash: sha256(token), agentId: agent, expiresAtMs: nowMs + 600_000 }, by)
  await store.agents.redeemJoinToken(sha256(token), nowMs)
}

/** Reserves and releases; returns the serials, hexadecimal. Fails when one is refused. */
export async function issue(store: Store, ...requests: readonly CredentialRequest[]): Promise<string[]> {
  const results = await store.credentials.reserve(requests, nowMs)
  const serials = results.map((result) => {
    if (!result.ok) throw new Error(`${result.code}: ${result.message}`)
    return result.serial
  })
  await store.credentials.release(serials, nowMs)
  return serials.map((serial) => Buffer.from(serial).toString('hex'))
}

/** A request for an agent's own SVID. */
export function agentRequest(agent: SpiffeId, key = `key of ${agent}`): CredentialRequest {
  const { entryId: _entryId, ...rest } = request(0, { key })
  return { ...rest, kind: 'agent', spiffeId: agent, agentId: agent }
}
