/** Spans by name: what each covers, and its attributes. Names are promises. */
export const spanCatalogue: Readonly<Record<string, { readonly of: 'server' | 'agent' | 'both'; readonly help: string; readonly attributes: readonly string[] }>> = {
  'mayfly.rpc': { of: 'both', help: 'A unary gRPC call, or AttestAgent, from its first byte to its answer; its parent is the caller\'s `traceparent`', attributes: ['rpc.system', 'rpc.service', 'rpc.method', 'rpc.grpc.status', 'mayfly.listener'] },
  'mayfly.issue': { of: 'server', help: 'One pass of the issuance pipeline, a batch of any size', attributes: ['mayfly.requests', 'mayfly.issued', 'mayfly.refused'] },
  'mayfly.issue.prepare': { of: 'server', help: 'Proofs of possession checked, templates filled, linted, in a signing thread', attributes: ['mayfly.requests'] },
  'mayfly.issue.journal': { of: 'server', help: 'Serials allocated and written down, with the fsync that it shares', attributes: ['mayfly.requests'] },
  'mayfly.issue.sign': { of: 'server', help: 'Signed, in a signing thread', attributes: ['mayfly.requests'] },
  'mayfly.agent.sign': { of: 'agent', help: 'A batch of SVIDs asked for at the server, which continues the trace', attributes: ['mayfly.requests', 'mayfly.refused'] },
}
