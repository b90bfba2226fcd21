import type { Agent__Output as WireAgent } from '../../../proto/generated/spire/api/types/Agent.ts'
import type { Entry__Output as WireEntry } from '../../../proto/generated/spire/api/types/Entry.ts'
import type { SPIFFEID__Output as WireId } from '../../../proto/generated/spire/api/types/SPIFFEID.ts'
import { MayflyError } from '../../core/errors.ts'
import type { RpcChannel } from '../../rpc/channel.ts'
import { uncheckedBundle } from '../bundles.ts'
import { maxAgents, maxBundles, maxEntries } from './registry.ts'
import type { SpireAgent, SpireEntry, SpireRegistry } from './registry.ts'

/** SPIRE's own clients take as many. */
const pageSize = 500

/** Entries, agents and bundles of other trust domains of a running SPIRE server, over its API; nothing is changed there. @throws {MayflyError} what the call fails with, LIMIT_EXCEEDED, RESPONSE_INVALID */
export async function readSpireServer(spire: RpcChannel, signal: AbortSignal): Promise<SpireRegistry & { readonly trustDomain: string }> {
  const { trustDomain } = await spire.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', { outputMask: {} }, { signal })
  const entries = await allPages('entries', maxEntries, async (pageToken) => {
    const page = await spire.unary('spire.api.server.entry.v1.Entry', 'ListEntries', { pageSize, pageToken }, { signal })
    return { items: page.entries.map(entryOf), next: page.nextPageToken }
  })
  const agents = await allPages('agents', maxAgents, async (pageToken) => {
    const page = await spire.unary('spire.api.server.agent.v1.Agent', 'ListAgents', { pageSize, pageToken }, { signal })
    return { items: page.agents.map(agentOf), next: page.nextPageToken }
  })
  const bundles = await allPages('bundles', maxBundles, async (pageToken) => {
    const page = await spire.unary('spire.api.server.bundle.v1.Bundle', 'ListFederatedBundles', { pageSize, pageToken }, { signal })
    return { items: page.bundles.map(uncheckedBundle), next: page.nextPageToken }
  })
  return { trustDomain, entries, agents, bundles: bundles.filter((bundle) => bundle.trustDomain !== trustDomain) }
}

/** As many pages in a row may be empty: SPIRE takes its own bundle out of the page that it was in, and says that there is more. */
const mostEmpty = 2

/** Pages that are empty and say that there is more, or a token that comes again, would go on without end. */
async function allPages<Item>(what: string, most: number, read: (pageToken: string) => Promise<{ readonly items: readonly Item[]; readonly next: string }>): Promise<readonly Item[]> {
  const all: Item[] = []
  const seen = new Set<string>()
  let pageToken = ''
  let empty = 0
  do {
    const { items, next } = await read(pageToken)
    empty = items.length === 0 ? empty + 1 : 0
    for (const item of items) all.push(item)
    if (all.length > most) throw new MayflyError('LIMIT_EXCEEDED', `the SPIRE server has more than ${most} ${what}`)
    if (next !== '' && (seen.has(next) || empty > mostEmpty)) throw new MayflyError('RESPONSE_INVALID', `the pages of ${what} that the SPIRE server sends have no end`)
    seen.add(next)
    pageToken = next
  } while (pageToken !== '')
  return all
}

function entryOf(wire: WireEntry): SpireEntry {
  return {
    id: wire.id,
    spiffeId: idOf(wire.spiffeId),
    parentId: idOf(wire.parentId),
    selectors: wire.selectors.map(({ type, value }) => ({ type, value })),
    x509SvidTtlSeconds: wire.x509SvidTtl,
    jwtSvidTtlSeconds: wire.jwtSvidTtl,
    federatesWith: wire.federatesWith,
    dnsNames: wire.dnsNames,
    hint: wire.hint,
    admin: wire.admin,
    downstream: wire.downstream,
    storeSvid: wire.storeSvid,
    disableX509SvidPrefetch: wire.additionalAttributes?.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: wire.additionalAttributes?.jwtSvidIncludeJti ?? false,
    expiresAtSeconds: wire.expiresAt,
    createdAtSeconds: wire.createdAt,
    unknown: [],
  }
}

function agentOf(wire: WireAgent): SpireAgent {
  return { id: idOf(wire.id), attestationType: wire.attestationType, selectors: wire.selectors.map(({ type, value }) => ({ type, value })), expiresAtSeconds: wire.x509svidExpiresAt, banned: wire.banned }
}

function idOf(id: WireId | null): string {
  return id === null ? '' : `spiffe://${id.trustDomain}${id.path}`
}
