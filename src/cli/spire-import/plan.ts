import type { Entry as EntryInput } from '../../../proto/generated/mayfly/v1/Entry.ts'
import type { Entry__Output as MayflyEntry } from '../../../proto/generated/mayfly/v1/Entry.ts'
import { formatSelector } from '../../core/selector.ts'
import { isSpiffeId, parseSpiffeId, parseTrustDomain, pathOf, serverIdOf, trustDomainOf } from '../../core/spiffe-id.ts'
import { idFromWire, idToWire } from '../ids.ts'
import type { SpireEntry, SpireRegistry } from './registry.ts'
import type { OwnerMap } from './rules.ts'
import { attestationTypeIn, keepsAgentId, servesNode, unservedKind } from './served.ts'
import { isAgentPath, SpireUsage } from './usage.ts'
import type { UnusedWhy } from './usage.ts'

/** What is to be known of whoever answers for an entry, or reads the plan. */
export type Note = 'no_owner' | 'default_may_change' | 'admin' | 'downstream' | 'federates_with' | 'ttl_capped' | 'new_parent'

export type LeftWhy = UnusedWhy | 'selector_unserved'

export type Fate =
  | { readonly kind: 'moves'; readonly wire: EntryInput; readonly notes: readonly Note[] }
  /** Mayfly has it, the same in all that moves. */
  | { readonly kind: 'there' }
  /** Mayfly has one with its ID, or with the same SPIFFE ID, parent and selectors, and these members differ. It is left as it is. */
  | { readonly kind: 'differs'; readonly existingId: string; readonly members: readonly string[] }
  /** Nobody is served it: not moved unless everything is. */
  | { readonly kind: 'left'; readonly why: LeftWhy; readonly text: string }
  /** Names a node, by what only SPIRE's attestors state: the agent gets that name when it joins. */
  | { readonly kind: 'alias'; readonly text: string }
  /** Its agent will have another ID here: name it. */
  | { readonly kind: 'needs_parent'; readonly parentId: string; readonly wire: EntryInput }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string }

export interface Planned {
  readonly entry: SpireEntry
  readonly fate: Fate
}

export interface PlanTerms {
  /** Of the mayfly server. */
  readonly trustDomain: string
  readonly nowSeconds: number
  readonly owners: OwnerMap
  /** Old parents to new ones. */
  readonly parents: ReadonlyMap<string, string>
  /** Longer TTLs become this; `undefined`: they stay as they are. */
  readonly capTtlSeconds: number | undefined
  /** Also what nobody uses, and what no attestor serves. */
  readonly all: boolean
  /** Trust domains whose bundles mayfly has, or will have before the entries. */
  readonly bundles: ReadonlySet<string>
  /** Entries that mayfly has. */
  readonly existing: readonly MayflyEntry[]
  /** IDs of agents that mayfly knows. */
  readonly agentIds: ReadonlySet<string>
}

/** What would become of each entry, the oldest first; whether mayfly takes those that move is for its server to say. */
export function planImport(registry: SpireRegistry, terms: PlanTerms): readonly Planned[] {
  const serverId = serverIdOf(parseTrustDomain(terms.trustDomain))
  const usage = registry.agents === undefined ? undefined : new SpireUsage(registry.entries, registry.agents, serverId, terms.nowSeconds)
  const types = new Map(registry.agents?.map(({ id, attestationType }) => [id, attestationType]))
  const present = new Existing(terms.existing)
  const entries = registry.entries.toSorted((left, right) => left.createdAtSeconds - right.createdAtSeconds || (left.id < right.id ? -1 : 1))
  const plan = entries.map((entry) => ({ entry, fate: fateOf(entry, { terms, serverId, usage, types, present }) }))
  return withDefaultsNoted(plan)
}

/**
 * Of several that match a process the oldest is its default identity, here as there; but entries of one import are of one age here, and
 * the lower ID comes first. Notes those that go before, or after, another one than at SPIRE.
 */
function withDefaultsNoted(plan: readonly Planned[]): readonly Planned[] {
  const highest = new Map<string, string>()
  return plan.map((planned) => {
    const { entry, fate } = planned
    if (fate.kind !== 'moves') return planned
    const key = JSON.stringify([idFromWire(fate.wire.entry?.parentId), selectorTexts(fate.wire.entry)])
    const before = highest.get(key)
    if (before === undefined || before < entry.id) {
      highest.set(key, entry.id)
      return planned
    }
    return { entry, fate: { ...fate, notes: [...fate.notes, 'default_may_change' as const] } }
  })
}

interface Known {
  readonly terms: PlanTerms
  readonly serverId: string
  readonly usage: SpireUsage | undefined
  /** Attestation types of agents by their IDs. */
  readonly types: ReadonlyMap<string, string>
  readonly present: Existing
}

function fateOf(entry: SpireEntry, { terms, serverId, usage, types, present }: Known): Fate {
  if (entry.unknown.length > 0) return { kind: 'refused', code: 'INVALID_ARGUMENT', text: `it has ${entry.unknown.join(', ')}, of which this mayfly knows nothing` }
  for (const [name, id] of [['SPIFFE ID', entry.spiffeId], ['parent', entry.parentId]] as const) {
    if (!isSpiffeId(id)) return { kind: 'refused', code: 'SPIFFE_ID_INVALID', text: `its ${name} ${JSON.stringify(id.slice(0, 100))} is no SPIFFE ID` }
    if (trustDomainOf(id) !== terms.trustDomain) return { kind: 'refused', code: 'ENTRY_INVALID', text: `its ${name} is of the trust domain ${trustDomainOf(id)}, this server of ${terms.trustDomain}` }
  }
  const notes = new Set<Note>()
  const wire = wireOf(entry, terms, notes)
  const found = present.like(wire)
  if (found !== undefined) {
    const members = differences(wire, found)
    return members.length === 0 ? { kind: 'there' } : { kind: 'differs', existingId: found.entry?.id ?? '', members }
  }
  // below the server, or, as a token makes it, below the agent itself
  const namesNode = entry.parentId === serverId || (isAgentPath(entry.parentId) && entry.selectors.every(({ type }) => type === 'spiffe_id'))
  if (namesNode && !servesNode(entry.selectors)) {
    return { kind: 'alias', text: `mayfly token create --id ${pathOf(parseSpiffeId(entry.spiffeId))}` }
  }
  if (!terms.all) {
    const unused = usage?.unused(entry, serverId)
    if (unused !== undefined) return { kind: 'left', ...unused }
    const unserved = namesNode ? undefined : unservedKind(entry.selectors)
    if (unserved !== undefined) return { kind: 'left', why: 'selector_unserved', text: `no attestor of mayfly states ${unserved}` }
  }
  const { parentId } = entry
  const isAtHome = notes.has('new_parent') || !isAgentPath(parentId) || terms.agentIds.has(parentId) || keepsAgentId(types.get(parentId) ?? attestationTypeIn(parentId))
  const unknown = entry.federatesWith.map(trustDomainName).find((name) => name !== terms.trustDomain && !terms.bundles.has(name))
  if (unknown !== undefined) return { kind: 'refused', code: 'BUNDLE_UNKNOWN', text: `federates with ${unknown}, of which no bundle is here or comes along: mayfly bundle set ${unknown} <file>` }
  if (!isAtHome) return { kind: 'needs_parent', parentId, wire }
  return { kind: 'moves', wire, notes: [...notes] }
}

/** As it would be here; IDs are valid. The entry's own ID stays. */
function wireOf(entry: SpireEntry, terms: PlanTerms, notes: Set<Note>): EntryInput {
  const capped = (seconds: number): number => {
    if (terms.capTtlSeconds === undefined || seconds <= terms.capTtlSeconds) return seconds
    notes.add('ttl_capped')
    return terms.capTtlSeconds
  }
  const owner = terms.owners.ownerOf(entry.spiffeId)
  const parent = terms.parents.get(entry.parentId)
  if (parent !== undefined) notes.add('new_parent')
  if (owner === '') notes.add('no_owner')
  if (entry.admin) notes.add('admin')
  if (entry.downstream) notes.add('downstream')
  if (entry.federatesWith.length > 0) notes.add('federates_with')
  const { disableX509SvidPrefetch, jwtSvidIncludeJti } = entry
  return {
    entry: {
      id: entry.id,
      spiffeId: idToWire(parseSpiffeId(entry.spiffeId)),
      parentId: idToWire(parseSpiffeId(parent ?? entry.parentId)),
      selectors: entry.selectors.map(({ type, value }) => ({ type, value })),
      x509SvidTtl: capped(entry.x509SvidTtlSeconds),
      jwtSvidTtl: capped(entry.jwtSvidTtlSeconds),
      federatesWith: entry.federatesWith.map(trustDomainName),
      admin: entry.admin,
      downstream: entry.downstream,
      expiresAt: entry.expiresAtSeconds,
      dnsNames: [...entry.dnsNames],
      storeSvid: entry.storeSvid,
      hint: entry.hint,
      ...(disableX509SvidPrefetch || jwtSvidIncludeJti ? { additionalAttributes: { disableX509SvidPrefetch, jwtSvidIncludeJti } } : {}),
    },
    options: { owner },
  }
}

/** What mayfly has, found by its ID or by what makes an entry one and no other. */
class Existing {
  readonly #byId: ReadonlyMap<string, MayflyEntry>
  readonly #byKey: ReadonlyMap<string, MayflyEntry>

  constructor(entries: readonly MayflyEntry[]) {
    this.#byId = new Map(entries.map((entry) => [entry.entry?.id ?? '', entry]))
    this.#byKey = new Map(entries.map((entry) => [keyOf(entry), entry]))
  }

  like(wire: EntryInput): MayflyEntry | undefined {
    return this.#byId.get(wire.entry?.id ?? '') ?? this.#byKey.get(keyOf(wire))
  }
}

function keyOf({ entry }: EntryInput | MayflyEntry): string {
  return JSON.stringify([idFromWire(entry?.spiffeId), idFromWire(entry?.parentId), selectorTexts(entry)])
}

type InnerEntry = EntryInput['entry'] | MayflyEntry['entry']

function selectorTexts(entry: InnerEntry): readonly string[] {
  return [...new Set((entry?.selectors ?? []).map(({ type = '', value = '' }) => formatSelector({ type, value })))].toSorted()
}

/** Members that are not the same; who owns it is for mayfly to say once it is there. */
function differences(wire: EntryInput, found: MayflyEntry): readonly string[] {
  const shown = (entry: InnerEntry): Readonly<Record<string, string>> => ({
    spiffeId: idFromWire(entry?.spiffeId),
    parentId: idFromWire(entry?.parentId),
    selectors: selectorTexts(entry).join(' '),
    x509SvidTtl: String(entry?.x509SvidTtl ?? 0),
    jwtSvidTtl: String(entry?.jwtSvidTtl ?? 0),
    federatesWith: [...(entry?.federatesWith ?? [])].map(trustDomainName).toSorted().join(' '),
    dnsNames: [...(entry?.dnsNames ?? [])].join(' '),
    hint: entry?.hint ?? '',
    admin: String(entry?.admin ?? false),
    downstream: String(entry?.downstream ?? false),
    storeSvid: String(entry?.storeSvid ?? false),
    expiresAt: String(entry?.expiresAt ?? 0),
  })
  const [wanted, there] = [shown(wire.entry), shown(found.entry)]
  return Object.keys(wanted).filter((name) => wanted[name] !== there[name])
}

/** SPIRE writes them either way. */
function trustDomainName(text: string): string {
  return text.replace(/^spiffe:\/\//, '')
}
