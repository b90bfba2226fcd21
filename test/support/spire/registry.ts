import type { SpireAgent, SpireEntry } from '../../../src/cli/spire-import/registry.ts'
import { parseSelector } from '../../../src/core/selector.ts'

const td = 'spiffe://example.org'
export const nowSeconds = 1_800_000_000
export const serverId: string = `${td}/spire/server`

/** An agent of SPIRE, alive unless something else is said. */
export function spireAgent(name: string, more: Partial<Omit<SpireAgent, 'selectors'>> & { readonly selectors?: readonly string[] } = {}): SpireAgent {
  const { selectors = [], attestationType = 'join_token', ...rest } = more
  return { id: `${td}/spire/agent/${attestationType}/${name}`, attestationType, selectors: selectors.map(parseSelector), expiresAtSeconds: nowSeconds + 3_600, banned: false, ...rest }
}

/** An entry of SPIRE; IDs without a scheme are paths in example.org. */
export function spireEntry(id: string, parent: string, more: Partial<Omit<SpireEntry, 'selectors'>> & { readonly selectors?: readonly string[] } = {}): SpireEntry {
  const { selectors = ['unix:uid:1000'], ...rest } = more
  return {
    id,
    spiffeId: `${td}/${id}`,
    parentId: parent.startsWith('/') ? `${td}${parent}` : parent,
    selectors: selectors.map(parseSelector),
    x509SvidTtlSeconds: 0,
    jwtSvidTtlSeconds: 0,
    federatesWith: [],
    dnsNames: [],
    hint: '',
    admin: false,
    downstream: false,
    storeSvid: false,
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    expiresAtSeconds: 0,
    createdAtSeconds: nowSeconds - 86_400,
    unknown: [],
    ...rest,
  }
}
