import type { Entry } from '../../../../src/core/entry.ts'
import { MayflyError } from '../../../../src/core/errors.ts'
import type { JournalRecord } from '../../../journal/records.ts'
import type { OwnerEnd } from '../../grant-port.ts'
import type { Actor } from '../../port.ts'
import type { Command } from '../operations.ts'
import { notEnded } from '../queries/grant-filters.ts'
import type { LedgerHit } from '../tables/ledger.ts'
import type { Tables } from '../tables/tables.ts'
import { decision, describe } from './ending.ts'
import { checkOwner, move } from './grant-checks.ts'
import { isName } from './people.ts'
import { beginEnd } from './target-ends.ts'

const maxContactLength = 500
/** Handed over in one transaction: others wait for some tens of ms. */
const grantsAtOnce = 100
const entriesAtOnce = 500

export const putOwner: Command<'owners.put'> = (tables, { name, contact }, by) => {
  if (!isName(name) || contact.length > maxContactLength) throw new MayflyError('INVALID_ARGUMENT', 'an owner has a name of visible characters, at most 128, and a contact of at most 500')
  const present = tables.owners.byName(name)
  const owner = { name, contact, removed: false }
  const isSame = present !== undefined && present.contact === contact && !present.removed
  return decision(isSame ? [] : [{ kind: 'owner.put', name, contact, by: by.name, atMs: by.atMs }], owner)
}

export const removeOwner: Command<'owners.remove'> = (tables, name, options, by) => {
  if (!tables.owners.answers(name)) throw new MayflyError('OWNER_MISSING', `there is no owner ${JSON.stringify(name)}`, { hint: 'mayfly owner list' })
  const owned = ownedBy(tables, name)
  const all = owned.grants + owned.entries
  if (!options.endAll && all + owned.roles > 0) {
    throw new MayflyError('EXPECTATION_FAILED', `${name} still owns something: grants ${owned.grants}, entries ${owned.entries}, roles ${owned.roles}`, { hint: 'mayfly owner transfer gives them to another; --end-all ends them', details: owned })
  }
  if (options.expect !== undefined && options.expect !== all) throw new MayflyError('EXPECTATION_FAILED', `this would end ${all} grants and entries`, { hint: `say --expect ${all}`, details: owned })
  const { hits, ended, records, more } = beginEnd(tables, { target: { kind: 'owner', owner: name }, cause: 'owner_removed', reason: 'the owner was removed' }, by)
  if (options.dryRun) return { records: [], result: () => ownerEnd(tables, owned, { ended, hits, more: false }) }
  const disabled: JournalRecord[] = tables.targets.isListed('owner', name) ? [] : [{ kind: 'target.disabled', target: { kind: 'owner', owner: name }, reason: 'the owner was removed', by: by.name, atMs: by.atMs }]
  return { records: [{ kind: 'owner.removed', name, by: by.name, atMs: by.atMs }, ...disabled, ...records], result: () => ownerEnd(tables, owned, { ended, hits, more }) }
}

export const transferOwner: Command<'owners.transfer'> = (tables, from, to, by) => {
  checkOwner(tables, to)
  if (from === '' || from === to) throw new MayflyError('INVALID_ARGUMENT', 'what is owned goes from one owner to another')
  const owned = ownedBy(tables, from)
  if (tables.owners.byName(from) === undefined && owned.grants + owned.entries + owned.roles === 0) throw new MayflyError('OWNER_MISSING', `there is no owner ${JSON.stringify(from)}`, { hint: 'mayfly owner list' })
  const grants = tables.grants.list({ sql: `owner = ? AND ${notEnded}`, values: [from] }, grantsAtOnce + 1)
  const entries = tables.entries.ownedBy(from, entriesAtOnce + 1)
  const more = grants.length > grantsAtOnce || entries.length > entriesAtOnce
  const some = grants.slice(0, grantsAtOnce)
  const running = some.filter(({ state }) => state === 'active' || state === 'suspended')
  const waiting = some.filter((grant) => !running.includes(grant))
  const records: JournalRecord[] = [
    ...(more ? [] : [{ kind: 'owner.transferred' as const, from, to, by: by.name, atMs: by.atMs }]),
    ...entryRecords(entries.slice(0, entriesAtOnce), to, by),
    ...tables.roles.ownedBy(from).map((role) => ({ kind: 'role.put' as const, role: { ...role, owner: to, version: role.version + 1 }, by: by.name, atMs: by.atMs })),
    ...running.flatMap((grant) => move(grant, { kind: 'transferred', owner: to }, by).records),
    ...waiting.flatMap((grant) => move(grant, { kind: 'lapsed', detail: `the owner is ${to} by now` }, by).records),
  ]
  return { records, result: () => ownerEnd(tables, owned, { ended: waiting.map(({ id }) => id), hits: [], more }) }
}

function entryRecords(entries: readonly Entry[], to: string, by: Actor): JournalRecord[] {
  if (entries.length === 0) return []
  return [{ kind: 'entries.updated', entries: entries.map((entry): Entry => ({ ...entry, owner: to, revision: entry.revision + 1 })), by: by.name, atMs: by.atMs }]
}

function ownedBy(tables: Tables, name: string): OwnerEnd['owned'] {
  return {
    grants: tables.grants.count({ sql: `owner = ? AND ${notEnded}`, values: [name] }),
    entries: tables.entries.countOwnedBy(name),
    roles: tables.roles.ownedBy(name).length,
  }
}

function ownerEnd(tables: Tables, owned: OwnerEnd['owned'], { ended, hits, more }: { readonly ended: readonly string[]; readonly hits: readonly LedgerHit[]; readonly more: boolean }): OwnerEnd {
  return { owned, ended, hits: describe(hits), more, streamSeq: tables.stream.head().seq }
}
