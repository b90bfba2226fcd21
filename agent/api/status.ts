import { resolve } from 'node:path'
import type { AgentStatus } from '../../proto/generated/mayfly/v1/AgentStatus.ts'
import type { GrantKeeper } from '../grants/keeper.ts'
import type { ProcessHolders } from '../liveness/process-holders.ts'
import type { BindingTier } from '../attest/binding.ts'
import type { RevocationRelay } from '../relay/revocation-relay.ts'
import type { SvidCache } from '../rotation/svid-cache.ts'
import type { ServerConnection } from '../sync/connection.ts'
import type { EntryCache } from '../sync/entry-cache.ts'
import type { Trust } from '../sync/trust.ts'

export interface StatusSources {
  readonly version: string
  readonly serverAddress: string
  readonly workloadSocket: string
  readonly dataDir: string
  /** What this host's kernel offers, or the tier that is forced. */
  readonly bindingTier: BindingTier
  readonly trust: Trust
  readonly connection: ServerConnection
  readonly entries: EntryCache
  readonly svids: SvidCache
  readonly holders: ProcessHolders
  readonly relay: RevocationRelay
  readonly grants: Pick<GrantKeeper, 'shown'>
  rssBytes(): number
}

/** More would not fit a message beside the SVIDs. */
const maxGrants = 1_000

/** One look at the agent. */
export function agentStatus(sources: StatusSources): AgentStatus {
  const { connection, relay, svids, holders } = sources
  const { epoch, seq } = relay.reader.position
  return {
    version: sources.version,
    agentId: connection.svid.id,
    trustDomain: sources.trust.trustDomain,
    serverAddress: sources.serverAddress,
    connected: connection.connectedSinceMs !== undefined,
    connectedSinceMs: connection.connectedSinceMs ?? 0,
    svidNotAfterMs: connection.svid.notAfterMs,
    entries: sources.entries.all.size,
    svids: svids.held().map((svid) => ({ ...svid, holders: holders.holdersOf(svid.entryId).map(({ pid }) => pid) })),
    epoch,
    streamSeq: seq,
    revocationAgeMs: relay.reader.freshness()?.ageMs ?? -1,
    bindingTier: sources.bindingTier,
    workloadSocket: sources.workloadSocket,
    dataDir: resolve(sources.dataDir),
    rssBytes: sources.rssBytes(),
    verifiers: relay.readers,
    grants: sources.grants.shown(maxGrants),
  }
}
