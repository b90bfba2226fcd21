import type { Entry, EntrySpec } from '../../../../src/core/entry.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { EntryPatch, ItemResult } from '../../port.ts'
import type { Command } from '../operations.ts'
import { similarDigest } from '../tables/entries.ts'
import type { Tables } from '../tables/tables.ts'
import { decision, endRecords, identityRecords, idsOf, ofEntry, revocable, toHex } from './ending.ts'

export const createEntries: Command<'entries.create'> = (tables, specs, by) => {
  const batch = new Batch(tables)
  const created: Entry[] = []
  const results = specs.map((spec): ItemResult<Entry> => {
    const taken = batch.byId(spec.id)
    if (taken !== undefined) return { ok: false, code: 'ALREADY_EXISTS', message: `an entry with the id ${spec.id} exists`, existing: taken }
    const similar = batch.bySimilar(spec)
    if (similar !== undefined) return alreadyExists(similar)
    const unknown = unknownBundle(tables, spec.federatesWith)
    if (unknown !== undefined) return unknown
    const disabled = tables.targets.isDisabled('entry', spec.id)
    const entry: Entry = { id: spec.id, ...specFields(spec), createdAtSeconds: Math.floor(by.atMs / 1000), revision: 0, disabled }
    batch.put(entry)
    created.push(entry)
    return { ok: true, value: entry }
  })
  return decision(created.length === 0 ? [] : [{ kind: 'entries.created', entries: created, by: by.name, atMs: by.atMs }], results)
}

export const updateEntries: Command<'entries.update'> = (tables, patches, by) => {
  const batch = new Batch(tables)
  const updated: Entry[] = []
  const results = patches.map((patch): ItemResult<Entry> => {
    const before = batch.byId(patch.id)
    if (before === undefined) return { ok: false, code: 'NOT_FOUND', message: `no entry has the id ${patch.id}` }
    const entry = patched(before, patch)
    const similar = batch.bySimilar(entry)
    if (similar !== undefined && similar.id !== entry.id) return alreadyExists(similar)
    const unknown = unknownBundle(tables, entry.federatesWith.filter((name) => !before.federatesWith.includes(name)))
    if (unknown !== undefined) return unknown
    batch.put(entry, before)
    updated.push(entry)
    return { ok: true, value: entry }
  })
  return decision(updated.length === 0 ? [] : [{ kind: 'entries.updated', entries: updated, by: by.name, atMs: by.atMs }], results)
}

export const deleteEntries: Command<'entries.delete'> = (tables, ids, by) => {
  const gone = new Set<string>()
  const results = ids.map((id): ItemResult<Entry> => {
    const entry = gone.has(id) ? undefined : tables.entries.byId(id)
    if (entry === undefined) return { ok: false, code: 'NOT_FOUND', message: `no entry has the id ${id}` }
    gone.add(id)
    return { ok: true, value: entry }
  })
  return decision(deletionRecords(tables, [...gone], by.name, by.atMs), results)
}

/** Records that delete these entries and end what lives of them. */
export function deletionRecords(tables: Tables, ids: readonly string[], by: string, atMs: number): JournalRecord[] {
  if (ids.length === 0) return []
  const hits = ids.flatMap((id) => tables.ledger.hits(revocable(ofEntry(id), atMs)))
  return [{ kind: 'entries.deleted', ids, by, atMs }, ...identityRecords(tables, idsOf(hits), { name: by, atMs }), ...endRecords(hits, 'revoked', 'entry_deleted', '', { name: by, atMs })]
}

/** The tables as they will be once the items before in the same batch are applied. */
class Batch {
  readonly #tables: Tables
  readonly #byId = new Map<string, Entry>()
  readonly #bySimilar = new Map<string, Entry | undefined>()

  constructor(tables: Tables) {
    this.#tables = tables
  }

  byId(id: string): Entry | undefined {
    return this.#byId.get(id) ?? this.#tables.entries.byId(id)
  }

  bySimilar(spec: Pick<EntrySpec, 'spiffeId' | 'parentId' | 'selectors'>): Entry | undefined {
    const digest = similarDigest(spec)
    const key = toHex(digest)
    return this.#bySimilar.has(key) ? this.#bySimilar.get(key) : this.#tables.entries.bySimilar(digest)
  }

  put(entry: Entry, before?: Entry): void {
    if (before !== undefined) this.#bySimilar.set(toHex(similarDigest(before)), undefined)
    this.#byId.set(entry.id, entry)
    this.#bySimilar.set(toHex(similarDigest(entry)), entry)
  }
}

function alreadyExists(existing: Entry): ItemResult<Entry> {
  return { ok: false, code: 'ALREADY_EXISTS', message: 'an entry with this SPIFFE ID, parent and selectors exists', existing }
}

/** SPIRE's rule: an entry names only trust domains whose bundle is here. */
function unknownBundle(tables: Tables, federatesWith: readonly string[]): ItemResult<Entry> | undefined {
  const name = federatesWith.find((each) => !tables.bundles.has(each))
  return name === undefined ? undefined : { ok: false, code: 'BUNDLE_UNKNOWN', message: `unable to find federated bundle ${JSON.stringify(name)}` }
}

function patched(before: Entry, patch: EntryPatch): Entry {
  const { id, createdAtSeconds, revision, disabled } = before
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))
  return { id, ...specFields({ ...before, ...given }), createdAtSeconds, revision: revision + 1, disabled }
}

/** Exactly the fields of a specification, always in this order, so that equal entries are equal text. */
function specFields(spec: EntrySpec): EntrySpec {
  return {
    spiffeId: spec.spiffeId,
    parentId: spec.parentId,
    selectors: spec.selectors,
    x509SvidTtlSeconds: spec.x509SvidTtlSeconds,
    jwtSvidTtlSeconds: spec.jwtSvidTtlSeconds,
    federatesWith: spec.federatesWith,
    admin: spec.admin,
    downstream: spec.downstream,
    expiresAtSeconds: spec.expiresAtSeconds,
    dnsNames: spec.dnsNames,
    storeSvid: spec.storeSvid,
    hint: spec.hint,
    disableX509SvidPrefetch: spec.disableX509SvidPrefetch,
    jwtSvidIncludeJti: spec.jwtSvidIncludeJti,
    owner: spec.owner,
    prefetch: spec.prefetch,
    keepOnExit: spec.keepOnExit,
    crl: spec.crl,
  }
}
