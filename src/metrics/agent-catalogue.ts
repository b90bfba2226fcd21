import { commonCatalogue } from './catalogue.ts'
import type { Catalogue } from './catalogue.ts'

/** Figures of an agent. */
export const agentCatalogue: Catalogue = {
  ...commonCatalogue,
  mayfly_agent_connected: { kind: 'gauge', help: '1 while the stream to the server is up' },
  mayfly_agent_connections_total: { kind: 'counter', help: 'How often that stream came up' },
  mayfly_agent_synced: { kind: 'gauge', help: '1 once the entries of this agent are known' },
  mayfly_agent_svid_not_after_seconds: { kind: 'gauge', help: 'End of the agent\'s own SVID, seconds since the epoch' },
  mayfly_agent_entries: { kind: 'gauge', help: 'Entries of this agent' },
  mayfly_agent_svids: { kind: 'gauge', help: 'SVIDs held for workloads' },
  mayfly_agent_svids_received_total: { kind: 'counter', help: 'SVIDs received for workloads, first ones and rotations' },
  mayfly_agent_svids_next_expiry_seconds: { kind: 'gauge', help: 'The earliest end of a held SVID, seconds since the epoch; absent while none is held' },
  mayfly_agent_sign_failures_total: { kind: 'counter', help: 'SVIDs that could not be had, by code (errors.md)', labels: ['code'] },
  mayfly_agent_workload_refusals_total: { kind: 'counter', help: 'Connections of workloads refused before their first call, by code', labels: ['code'] },
  mayfly_agent_processes: { kind: 'gauge', help: 'Processes that hold an SVID' },
  mayfly_agent_authorities: { kind: 'gauge', help: 'Authorities in the bundle' },
  mayfly_agent_bundle_sequence: { kind: 'gauge', help: 'Sequence number of the bundle' },
  mayfly_agent_revocation_epoch: { kind: 'gauge', help: 'Epoch of the revocation stream' },
  mayfly_agent_revocation_seq: { kind: 'gauge', help: 'Last event of the revocation stream that this agent has' },
  mayfly_agent_revocation_age_seconds: { kind: 'gauge', help: 'How old what this agent knows of revocations is; absent before the first state' },
  mayfly_agent_revocation_readers: { kind: 'gauge', help: 'Verifiers that read the revocation stream here' },
  mayfly_agent_revocation_reader_behind_seconds: { kind: 'gauge', help: 'For how long the slowest of them has not taken what is there for it; 0 when all have' },
  mayfly_agent_crl_lists: { kind: 'gauge', help: 'Lists of revoked certificates kept for entries that ask for them' },
}
