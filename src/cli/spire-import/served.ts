import type { Selector } from '../../core/selector.ts'

/** What the workload attestors of mayfly's agents state, by type and by the first part of the value. */
export const workloadKinds: ReadonlySet<string> = new Set([
  ...['uid', 'user', 'gid', 'group', 'supplementary_gid', 'supplementary_group', 'path', 'sha256'].map((kind) => `unix:${kind}`),
  ...['label', 'env', 'image_id', 'image_config_digest'].map((kind) => `docker:${kind}`),
  ...['id', 'runtime'].map((kind) => `container:${kind}`),
  'k8s:pod-uid',
  ...['id', 'invocation_id'].map((kind) => `systemd:${kind}`),
])

/** Node attestors by which an agent has the same ID at mayfly as at SPIRE: it follows from what the agent shows. */
const keepsIds: ReadonlySet<string> = new Set(['x509pop', 'sshpop', 'http_challenge'])

/** The first kind of these selectors that no workload attestor of mayfly states, such as `k8s:ns`; an entry with it would match nothing. */
export function unservedKind(selectors: readonly Selector[]): string | undefined {
  return selectors.map(({ type, value }) => `${type}:${value.split(':', 1)[0] ?? ''}`).find((kind) => !workloadKinds.has(kind))
}

/** Whether an agent that attests like this keeps its SPIFFE ID when it comes over from SPIRE. */
export function keepsAgentId(attestationType: string): boolean {
  return keepsIds.has(attestationType)
}

/** Whether agents attested by mayfly can have these selectors of a node: a token proves nothing but itself, and an ID counts where it is kept. */
export function servesNode(selectors: readonly Selector[]): boolean {
  return selectors.every(({ type, value }) => keepsIds.has(type === 'spiffe_id' ? attestationTypeIn(value) : type))
}

/** What stands for it in the ID of an agent, `spiffe://<trust domain>/spire/agent/<type>/…`; empty for any other ID. */
export function attestationTypeIn(agentId: string): string {
  return /^spiffe:\/\/[^/]+\/spire\/agent\/([^/]+)\/./.exec(agentId)?.[1] ?? ''
}
