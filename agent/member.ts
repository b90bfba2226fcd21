import type { AgentConfig } from './config.ts'
import type { AgentDeps } from './deps.ts'
import { grantsFolder, startNodeGrants } from './grants/node-grants.ts'
import { ProcessHolders } from './liveness/process-holders.ts'
import type { AgentParts } from './parts.ts'
import type { Member } from './progress.ts'
import type { SvidSigner } from './rotation/signer.ts'
import { SvidStanding } from './rotation/standing.ts'
import { SvidCache } from './rotation/svid-cache.ts'
import type { AgentState } from './sync/agent-state.ts'
import { ServerConnection } from './sync/connection.ts'
import { CrlFeed } from './sync/crl-feed.ts'
import type { Joined } from './sync/joining.ts'
import { Identities } from './workload-api/identities.ts'

export interface MemberDeps {
  readonly state: AgentState
  readonly serverAddress: string
  /** Puts something between the cache and the connection that signs for it. */
  readonly signer: ((connection: SvidSigner) => SvidSigner) | undefined
}

const retry = { leastMs: 100, mostMs: 5_000 }
const signRetry = { leastMs: 250, mostMs: 15_000 }
const holderPollMs = 1_000
const maxSleepMs = 10_000

/** Connects to the server and keeps connected; what comes of that reaches SVIDs, holders and grants. */
export async function startMember(config: AgentConfig, deps: AgentDeps, parts: AgentParts, { trust, svid }: Joined, { state, serverAddress, signer }: MemberDeps): Promise<Member> {
  const { clock, random, log, exitWatch, processes } = deps
  const { live, entries, federation, relay, reports, changed } = parts
  const standing = new SvidStanding(trust, relay.reader, clock, log)
  const grants = await startNodeGrants(grantsFolder(config.dataDir), config.probes, { ...parts, clock, random, log, files: deps.files, system: deps.grants, trust, standing, connection: () => parts.progress.joined.connection })
  const connection = ServerConnection.start(
    { address: serverAddress, agentVersion: deps.version, retry, signWaitMs: 1_000 },
    { clock, random, log, trust, entries, federation, relay, reports, state, grants, life: grants.life },
    svid,
  )
  const svids = SvidCache.start(
    { get maxSvids() { return live.current.maxSvids }, get keyType() { return live.current.svidKeyType }, maxBatch: 250, retry: signRetry, maxSleepMs },
    { clock, random, log, signer: signer?.(connection) ?? connection, standing: (held) => standing.of(held), ended: (serials) => connection.reportEnded(serials) },
  )
  const holders = ProcessHolders.start({ pollMs: holderPollMs }, { exitWatch, processes, clock, log, onLastExit: (entryId) => svids.lastExit(entryId) })
  const crls = new CrlFeed({ clock, random, log, entries, open: (signal) => connection.crls(signal) })
  entries.changed.on((ids) => {
    svids.replaceEntries(entries.all)
    for (const id of ids) if (!entries.all.has(id)) holders.release(id)
    changed.emit()
  })
  trust.changed.on(() => svids.recheck())
  relay.changed.on(() => svids.recheck())
  svids.changed.on(() => changed.emit())
  connection.changed.on(() => {
    if (connection.connectedSinceMs !== undefined) svids.resume()
    parts.own.identityChanged()
    changed.emit()
  })
  const dispose = async (): Promise<void> => {
    for (const part of [grants, crls, connection, svids, holders]) await part[Symbol.asyncDispose]()
  }
  return { trust, connection, svids, holders, identities: new Identities(entries, svids, clock), crls, grants, [Symbol.asyncDispose]: dispose }
}
