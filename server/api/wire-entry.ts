import type { Entry as MayflyEntry, Entry__Output as MayflyEntryOutput } from '../../proto/generated/mayfly/v1/Entry.ts'
import type { EntryOptions__Output } from '../../proto/generated/mayfly/v1/EntryOptions.ts'
import type { EntryOptionsMask__Output } from '../../proto/generated/mayfly/v1/EntryOptionsMask.ts'
import type { Entry as SpireEntry, Entry__Output as SpireEntryOutput } from '../../proto/generated/spire/api/types/Entry.ts'
import type { EntryMask__Output } from '../../proto/generated/spire/api/types/EntryMask.ts'
import type { Entry } from '../../src/core/entry.ts'
import type { RawEntry } from '../registry/entry-rules.ts'
import { idText, idToWire } from './wire-id.ts'

type Mask = EntryMask__Output | null | undefined

/** SPIRE's view of an entry; unset mask: all of it. The id is always there. */
export function entryToWire(entry: Entry, mask?: Mask): SpireEntry {
  const shown = (field: keyof EntryMask__Output): boolean => mask === null || mask === undefined || mask[field]
  const wire: SpireEntry = { id: entry.id }
  if (shown('spiffeId')) wire.spiffeId = idToWire(entry.spiffeId)
  if (shown('parentId')) wire.parentId = idToWire(entry.parentId)
  if (shown('selectors')) wire.selectors = entry.selectors.map(({ type, value }) => ({ type, value }))
  if (shown('x509SvidTtl')) wire.x509SvidTtl = entry.x509SvidTtlSeconds
  if (shown('jwtSvidTtl')) wire.jwtSvidTtl = entry.jwtSvidTtlSeconds
  if (shown('federatesWith')) wire.federatesWith = [...entry.federatesWith]
  if (shown('admin')) wire.admin = entry.admin
  if (shown('downstream')) wire.downstream = entry.downstream
  if (shown('expiresAt')) wire.expiresAt = entry.expiresAtSeconds
  if (shown('dnsNames')) wire.dnsNames = [...entry.dnsNames]
  if (shown('revisionNumber')) wire.revisionNumber = entry.revision
  if (shown('storeSvid')) wire.storeSvid = entry.storeSvid
  if (shown('hint')) wire.hint = entry.hint
  if (shown('createdAt')) wire.createdAt = entry.createdAtSeconds
  if (shown('additionalAttributes') && (entry.disableX509SvidPrefetch || entry.jwtSvidIncludeJti)) {
    wire.additionalAttributes = { disableX509SvidPrefetch: entry.disableX509SvidPrefetch, jwtSvidIncludeJti: entry.jwtSvidIncludeJti }
  }
  return wire
}

/** The entry with what SPIRE's message has no place for. */
export function mayflyEntryToWire(entry: Entry): MayflyEntry {
  return { entry: entryToWire(entry), options: { owner: entry.owner, prefetch: entry.prefetch, keepOnExit: entry.keepOnExit, crl: entry.crl }, disabled: entry.disabled }
}

/** As it was sent, unchecked. */
export function rawEntry(wire: SpireEntryOutput, options?: EntryOptions__Output | null): RawEntry {
  return {
    spiffeId: idText(wire.spiffeId),
    parentId: idText(wire.parentId),
    selectors: wire.selectors.map(({ type, value }) => ({ type, value })),
    x509SvidTtlSeconds: wire.x509SvidTtl,
    jwtSvidTtlSeconds: wire.jwtSvidTtl,
    federatesWith: wire.federatesWith.map((name) => (name.startsWith('spiffe://') ? name.slice('spiffe://'.length) : name)),
    admin: wire.admin,
    downstream: wire.downstream,
    expiresAtSeconds: wire.expiresAt,
    dnsNames: wire.dnsNames,
    storeSvid: wire.storeSvid,
    hint: wire.hint,
    disableX509SvidPrefetch: wire.additionalAttributes?.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: wire.additionalAttributes?.jwtSvidIncludeJti ?? false,
    owner: options?.owner ?? '',
    prefetch: options?.prefetch ?? false,
    keepOnExit: options?.keepOnExit ?? false,
    crl: options?.crl ?? false,
  }
}

/** Only what the masks name; without SPIRE's mask all of SPIRE's fields, without ours none of ours unless options were sent. */
export function rawPatch(wire: MayflyEntryOutput | { readonly entry: SpireEntryOutput; readonly options: null }, mask: Mask, optionsMask: EntryOptionsMask__Output | null | undefined): Partial<RawEntry> {
  if (wire.entry === null) return {}
  const raw = rawEntry(wire.entry, wire.options)
  const named = (field: keyof EntryMask__Output): boolean => mask === null || mask === undefined || mask[field]
  const ours = (field: keyof EntryOptionsMask__Output): boolean => (optionsMask === null || optionsMask === undefined ? wire.options !== null && (mask === null || mask === undefined) : optionsMask[field])
  const wanted: Readonly<Record<keyof RawEntry, boolean>> = {
    spiffeId: named('spiffeId'),
    parentId: named('parentId'),
    selectors: named('selectors'),
    x509SvidTtlSeconds: named('x509SvidTtl'),
    jwtSvidTtlSeconds: named('jwtSvidTtl'),
    federatesWith: named('federatesWith'),
    admin: named('admin'),
    downstream: named('downstream'),
    expiresAtSeconds: named('expiresAt'),
    dnsNames: named('dnsNames'),
    storeSvid: named('storeSvid'),
    hint: named('hint'),
    disableX509SvidPrefetch: named('additionalAttributes'),
    jwtSvidIncludeJti: named('additionalAttributes'),
    owner: ours('owner'),
    prefetch: ours('prefetch'),
    keepOnExit: ours('keepOnExit'),
    crl: ours('crl'),
  }
  return Object.fromEntries(Object.entries(raw).filter(([field]) => wanted[field as keyof RawEntry])) // a field of the record above
}

/** About how many bytes the entry takes on the wire, for cutting messages. */
export function wireSize(entry: Entry): number {
  let size = 200 + entry.spiffeId.length + entry.parentId.length + Buffer.byteLength(entry.hint) + Buffer.byteLength(entry.owner)
  for (const { type, value } of entry.selectors) size += type.length + Buffer.byteLength(value) + 8
  for (const name of entry.dnsNames) size += name.length + 2
  for (const name of entry.federatesWith) size += name.length + 2
  return size
}
