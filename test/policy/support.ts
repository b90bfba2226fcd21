import type { PolicyContext, PolicyPerson, PolicyRequest, PolicyResource, PolicyWorkload } from '../../src/core/grant/policy-request.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { ordinaryContext } from '../../src/policy/cases.ts'

export const workload: PolicyWorkload = {
  kind: 'workload',
  id: parseSpiffeId('spiffe://example.org/deploy-bot'),
  agentId: parseSpiffeId('spiffe://example.org/spire/agent/join_token/a'),
  selectors: ['unix:uid:1000'],
  tier: 'pidfd',
  owner: 'platform',
  recentDenials: 0,
  recentExpiries: 0,
}

export const alice: PolicyPerson = { kind: 'person', name: 'alice', owners: ['billing'], roles: ['approve'] }

export const orders: PolicyResource = { name: 'db:orders', dataClass: 'internal', system: 'shop', environment: 'staging', tenant: '' }

const context: PolicyContext = {
  ...ordinaryContext,
  role: 'deploy',
  owner: 'platform',
  actions: ['write'],
  reason: 'migration 42',
  ticket: 'CHG-7',
  nowMs: Date.UTC(2026, 10, 22, 12, 30),
  budgetRenewals: 2,
  budgetSteps: 100,
}

export interface Overrides {
  readonly action?: PolicyRequest['action']
  readonly principal?: Partial<PolicyWorkload> | PolicyPerson
  readonly resource?: Partial<PolicyResource>
  readonly context?: Partial<PolicyContext>
}

/** A request that the starter policy allows, but for what is given. */
export function asked({ action = 'request', principal = {}, resource = {}, context: facts = {} }: Overrides = {}): PolicyRequest {
  return {
    action,
    principal: principal.kind === 'person' ? principal : { ...workload, ...principal },
    resources: [{ ...orders, ...resource }],
    context: { ...context, ...facts },
  }
}
