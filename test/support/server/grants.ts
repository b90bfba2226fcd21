import { formatSelector } from '../../../src/core/selector.ts'
import type { Request, ResponseOutput } from '../../../src/rpc/services.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import type { TestAgent, TestServer } from './test-server.ts'

export type WireGrant = ResponseOutput<'mayfly.v1.GrantControl', 'Request'>
export type WireCredential = ResponseOutput<'mayfly.v1.GrantControl', 'Activate'>
type WireRole = NonNullable<Request<'mayfly.v1.GrantAdmin', 'PutRole'>['role']>
type WireRequest = Request<'mayfly.v1.GrantControl', 'Request'>
type WireActivation = Request<'mayfly.v1.GrantControl', 'Activate'>

export const selectors: readonly string[] = [formatSelector({ type: 'unix', value: 'uid:1000' }), formatSelector({ type: 'unix', value: 'path:/usr/bin/migrate' })]
export const workspace = { system: 'shop', environment: 'staging', tenant: '' }

/** A role that lets uid 1000 on this agent write two databases, changed as a test wants. */
export function wireRole(agentId: string, changed: Partial<WireRole> = {}): WireRole {
  return {
    name: 'deploy',
    spiffeId: 'spiffe://example.org/deploy-bot',
    owner: 'team-db',
    requesters: [{ parentId: agentId, selectors: ['unix:uid:1000'] }],
    intents: [{ actions: ['read', 'write'], resources: ['db:orders', 'db:users'], dataClass: 'internal', workspace }],
    budget: { seconds: 600, renewals: 5, steps: 20, children: 3, depth: 2 },
    credentialTtlSeconds: 300,
    approvalTtlSeconds: 120,
    approvals: 0,
    minTier: 'pid',
    ...changed,
  }
}

export interface GrantBench {
  readonly agent: TestAgent
  putRole(changed?: Partial<WireRole>): Promise<void>
  /** As the agent would, of an attested process. */
  request(changed?: Partial<NonNullable<WireRequest['request']>>, attested?: Partial<WireRequest>): Promise<WireGrant>
  activate(grantId: string, changed?: Partial<WireActivation>): Promise<WireCredential>
  renew(grantId: string, changed?: Partial<WireActivation>): Promise<WireCredential>
  /** Requested, approved by policy and active. */
  active(changed?: Partial<NonNullable<WireRequest['request']>>, attested?: Partial<WireRequest>): Promise<WireCredential & { readonly grant: WireGrant }>
  show(grantId: string): Promise<WireGrant>
  end(grantId: string, cause: string, outcome?: string): Promise<WireGrant>
}

/** An agent that has joined, an owner and a role on a real server, and the calls that its agent makes. */
export async function grantBench(server: TestServer, role: Partial<WireRole> = {}): Promise<GrantBench> {
  const agent = await server.join()
  await server.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'team-db', contact: 'db@example.org' })
  const putRole = async (changed: Partial<WireRole> = {}): Promise<void> => {
    const { roles } = await server.admin.unary('mayfly.v1.GrantAdmin', 'ListRoles', {})
    const wanted = wireRole(agent.id, changed)
    await server.admin.unary('mayfly.v1.GrantAdmin', 'PutRole', { role: wanted, ifVersion: roles.find(({ name }) => name === wanted.name)?.version ?? 0 })
  }
  await putRole(role)
  const call = agent.channel
  const activation = (grantId: string, changed: Partial<WireActivation>): WireActivation => ({ grantId, csr: buildCsr(PrivateKey.generate()), selectors: [...selectors], instance: 'boot:100:1', binding: 'process', tier: 'pidfd', ...changed })
  const request: GrantBench['request'] = async (changed = {}, attested = {}) =>
    await call.unary('mayfly.v1.GrantControl', 'Request', {
      request: { spiffeId: 'spiffe://example.org/deploy-bot', intent: { actions: ['write'], resources: ['db:orders'], workspace, reason: 'migration 42', ticket: 'CHG-7' }, ...changed },
      selectors: [...selectors],
      requester: 'uid:1000',
      instance: 'boot:100:1',
      tier: 'pidfd',
      ...attested,
    })
  const activate: GrantBench['activate'] = async (grantId, changed = {}) => await call.unary('mayfly.v1.GrantControl', 'Activate', activation(grantId, changed))
  return {
    agent,
    putRole,
    request,
    activate,
    renew: async (grantId, changed = {}) => await call.unary('mayfly.v1.GrantControl', 'Renew', activation(grantId, changed)),
    active: async (changed, attested) => {
      const { id } = await request(changed, attested)
      const issued = await activate(id, attested?.instance === undefined ? {} : { instance: attested.instance })
      if (issued.grant === null) throw new Error('no grant came with the credential')
      return { ...issued, grant: issued.grant }
    },
    show: async (grantId) => await call.unary('mayfly.v1.GrantControl', 'Show', { grantId }),
    end: async (grantId, cause, outcome = '') => await call.unary('mayfly.v1.GrantControl', 'End', { grantId, cause, outcome }),
  }
}
