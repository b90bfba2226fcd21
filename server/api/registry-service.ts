import type { EntryFilter__Output } from '../../proto/generated/mayfly/v1/EntryFilter.ts'
import type { EntryResults } from '../../proto/generated/mayfly/v1/EntryResults.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { EntryFilter } from '../store/port.ts'
import type { Caller } from './caller.ts'
import type { EntryOperations, EntryOutcome, NewEntry } from './entry-operations.ts'
import { mayflyEntryToWire, rawEntry, rawPatch } from './wire-entry.ts'
import { selectorMatch } from './wire-filter.ts'

/** `mayfly.v1.Registry`: entries with what SPIRE's messages have no place for. */
export function registryService(operations: EntryOperations): Handlers<'mayfly.v1.Registry', Caller> {
  return {
    CreateEntries: async ({ entries, dryRun }, { peer }) => {
      const items = entries.map((wire): NewEntry => () => {
        if (wire.entry === null) throw new MayflyError('ENTRY_INVALID', 'the entry is missing')
        return { id: wire.entry.id, raw: rawEntry(wire.entry, wire.options) }
      })
      return resultsOf(dryRun ? await operations.check(items, peer) : await operations.create(items, peer))
    },
    UpdateEntries: async ({ entries, mask, optionsMask }, { peer }) =>
      resultsOf(await operations.update(entries.map((wire) => () => ({ id: wire.entry?.id ?? '', raw: rawPatch(wire, mask, optionsMask) })), peer)),
    ListEntries: async ({ filter, pageSize, pageToken }) => {
      const page = await operations.list(filterOf(filter), pageSize, pageToken)
      return { entries: page.items.map((entry) => mayflyEntryToWire(entry)), nextPageToken: page.next ?? '' }
    },
    CountEntries: async ({ filter }) => ({ count: await operations.count(filterOf(filter)) }),
    GetEntry: async ({ id }) => mayflyEntryToWire(await operations.byId(id)),
  }
}

function resultsOf(outcomes: readonly EntryOutcome[]): EntryResults {
  return { results: outcomes.map(({ status, entry }) => ({ status, entry: entry === undefined ? null : mayflyEntryToWire(entry) })) }
}

function filterOf(wire: EntryFilter__Output | null): EntryFilter {
  if (wire === null) return {}
  return {
    ...(wire.spiffeId === null ? {} : { spiffeId: parseSpiffeId(wire.spiffeId.value) }),
    ...(wire.parentId === null ? {} : { parentId: parseSpiffeId(wire.parentId.value) }),
    ...(wire.selectors === null ? {} : { selectors: selectorMatch(wire.selectors) }),
    ...(wire.owner === null ? {} : { owner: wire.owner.value }),
    ...(wire.disabled === null ? {} : { disabled: wire.disabled.value }),
    ...(wire.hint === null ? {} : { hint: wire.hint.value }),
  }
}
