import type { GetInfoResponse } from '../../proto/generated/spire/agent/debug/v1/GetInfoResponse.ts'
import { pathOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import { shownChain } from '../../src/x509/shown-chain.ts'
import type { StatusSources } from './status.ts'

/** What SPIRE's Debug says of an agent. The last sync is the last moment at which the server is known to have had nothing newer to say. */
export function debugInfo({ connection, trust, svids, relay }: StatusSources, nowMs: number, uptimeMs: number): GetInfoResponse {
  const held = svids.held().length
  const ageMs = relay.reader.freshness()?.ageMs
  const lastSyncMs = ageMs === undefined ? (connection.connectedSinceMs ?? 0) : nowMs - ageMs
  return {
    svidChain: shownChain(connection.svid.chain, trust.bundle.x509Authorities).map(({ id, expiresAtSeconds, subject }) => ({
      ...(id === undefined ? {} : { id: { trustDomain: trustDomainOf(id), path: pathOf(id) } }),
      expiresAt: expiresAtSeconds,
      subject,
    })),
    uptime: Math.floor(uptimeMs / 1_000),
    svidsCount: held,
    cachedX509SvidsCount: held,
    cachedJwtSvidsCount: 0,
    cachedSvidstoreX509SvidsCount: 0,
    lastSyncSuccess: Math.floor(lastSyncMs / 1_000),
  }
}
