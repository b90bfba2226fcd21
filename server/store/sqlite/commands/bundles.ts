import { MayflyError } from '../../../../src/core/errors.ts'
import { federationLimits, isSameBundle } from '../../../../src/core/federated-bundle.ts'
import type { FederatedBundle } from '../../../../src/core/federated-bundle.ts'
import { bundleForJournal } from '../../../journal/bundle-records.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { Actor } from '../../port.ts'
import type { Command, Decision } from '../operations.ts'
import type { Tables } from '../tables/tables.ts'
import { decision } from './ending.ts'
import { deletionRecords } from './entries.ts'

/** Entries that one transaction deletes or dissociates. */
const entriesAtOnce = 500

export const createBundle: Command<'bundles.create'> = (tables, bundle, by) => {
  if (tables.bundles.has(bundle.trustDomain)) throw new MayflyError('ALREADY_EXISTS', `there is a bundle of ${bundle.trustDomain} already`, { hint: 'setting it replaces what is there' })
  return kept(tables, bundle, by)
}

export const updateBundle: Command<'bundles.update'> = (tables, patch, by) => {
  const before = found(tables, patch.trustDomain)
  return kept(tables, { ...before, ...patch }, by)
}

export const setBundle: Command<'bundles.set'> = (tables, bundle, by) => kept(tables, bundle, by)

export const deleteBundle: Command<'bundles.delete'> = (tables, trustDomain, mode, by) => {
  found(tables, trustDomain)
  const count = tables.entries.countFederatedWith(trustDomain)
  if (count > 0 && mode === 'restrict') {
    throw new MayflyError('PRECONDITION_FAILED', `cannot delete the bundle of ${trustDomain}: federated with ${count} registration ${count === 1 ? 'entry' : 'entries'}`, { hint: 'dissociate leaves them without it, delete deletes them too' })
  }
  const ids = count === 0 ? [] : tables.entries.federatedWith(trustDomain, entriesAtOnce)
  const more = ids.length < count
  const gone: JournalRecord[] = more ? [] : [{ kind: 'bundle.deleted', trustDomain, by: by.name, atMs: by.atMs }]
  return decision([...(mode === 'delete' ? deletionRecords(tables, ids, by.name, by.atMs) : dissociation(tables, ids, trustDomain, by)), ...gone], { entries: ids.length, more })
}

function kept(tables: Tables, bundle: FederatedBundle, by: Actor): Decision<FederatedBundle> {
  if (bundle.trustDomain === tables.domain.name()) throw new MayflyError('INVALID_ARGUMENT', `${bundle.trustDomain} is this trust domain itself`)
  const before = tables.bundles.byName(bundle.trustDomain)
  if (before === undefined && tables.bundles.count() >= federationLimits.bundles) throw new MayflyError('LIMIT_EXCEEDED', `there are ${federationLimits.bundles} bundles of other trust domains already`)
  const isSame = before !== undefined && isSameBundle(before, bundle)
  return decision(isSame ? [] : [{ kind: 'bundle.set', bundle: bundleForJournal(bundle), by: by.name, atMs: by.atMs }], bundle)
}

function dissociation(tables: Tables, ids: readonly string[], trustDomain: string, by: Actor): readonly JournalRecord[] {
  if (ids.length === 0) return []
  const entries = ids.flatMap((id) => tables.entries.byId(id) ?? []).map((entry) => ({ ...entry, federatesWith: entry.federatesWith.filter((name) => name !== trustDomain), revision: entry.revision + 1 }))
  return [{ kind: 'entries.updated', entries, by: by.name, atMs: by.atMs }]
}

function found(tables: Tables, trustDomain: string): FederatedBundle {
  const bundle = tables.bundles.byName(trustDomain)
  if (bundle === undefined) throw new MayflyError('NOT_FOUND', `there is no bundle of ${trustDomain}`, { hint: 'mayfly bundle list' })
  return bundle
}
