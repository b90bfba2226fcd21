import type { _spire_api_server_entry_v1_ListEntriesRequest_Filter__Output as WireFilter } from '../../proto/generated/spire/api/server/entry/v1/ListEntriesRequest.ts'
import type { EntryMask__Output } from '../../proto/generated/spire/api/types/EntryMask.ts'
import type { Entry } from '../../src/core/entry.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { RequestOutput, Response } from '../../src/rpc/services.ts'
import type { Registry } from '../registry/registry.ts'
import type { EntryRules } from '../registry/entry-rules.ts'
import type { EntryFilter, Store } from '../store/port.ts'
import type { Caller } from './caller.ts'
import type { EntryOperations } from './entry-operations.ts'
import { agentOf } from './agent-caller.ts'
import { entryToWire, rawEntry, rawPatch, wireSize } from './wire-entry.ts'
import { federatesWithMatch, selectorMatch } from './wire-filter.ts'
import { memberId } from './wire-id.ts'

export interface EntryServiceDeps {
  readonly operations: EntryOperations
  readonly registry: Registry
  readonly store: Store
  readonly rules: EntryRules
}

type EntrySync = 'SyncAuthorizedEntries'
type Service = 'spire.api.server.entry.v1.Entry'

/** SPIRE's page of authorized entries. */
const syncPageSize = 500
const maxSyncIds = 10_000
/** GetAuthorizedEntries has no pages: beyond this many bytes an agent must use the stream. */
const maxMessageBytes = 3_500_000

/** SPIRE's entry API, all calls, with its semantics. */
export function entryService(deps: EntryServiceDeps): Handlers<Service, Caller> {
  const { operations, registry } = deps
  return {
    CountEntries: async ({ filter }) => ({ count: await operations.count(filterOf(filter, deps)) }),
    ListEntries: async ({ filter, outputMask, pageSize, pageToken }) => {
      const page = await operations.list(filterOf(filter, deps), pageSize, pageToken)
      return { entries: page.items.map((entry) => entryToWire(entry, outputMask)), nextPageToken: page.next ?? '' }
    },
    GetEntry: async ({ id, outputMask }) => entryToWire(await operations.byId(id), outputMask),
    BatchCreateEntry: async ({ entries, outputMask }, { peer }) => {
      const outcomes = await operations.create(entries.map((wire) => () => ({ id: wire.id, raw: rawEntry(wire) })), peer)
      return { results: outcomes.map(({ status, entry }) => ({ status, entry: maskedOrNull(entry, outputMask) })) }
    },
    BatchUpdateEntry: async ({ entries, inputMask, outputMask }, { peer }) => {
      const outcomes = await operations.update(entries.map((entry) => () => ({ id: entry.id, raw: rawPatch({ entry, options: null }, inputMask, null) })), peer)
      return { results: outcomes.map(({ status, entry }) => ({ status, entry: status.code === 0 ? maskedOrNull(entry, outputMask) : null })) }
    },
    BatchDeleteEntry: async ({ ids }, { peer }) => ({ results: (await operations.delete(ids, peer)).map(({ status }, at) => ({ status, id: ids[at] ?? '' })) }),
    GetAuthorizedEntries: async ({ outputMask }, { peer }) => {
      const entries = []
      let bytes = 0
      for await (const page of registry.authorizedEntries(agentOf(peer))) {
        for (const entry of page) {
          entries.push(entryToWire(entry, outputMask))
          bytes += wireSize(entry)
        }
        if (bytes > maxMessageBytes) throw new MayflyError('LIMIT_EXCEEDED', 'the entries do not fit one message', { hint: 'use SyncAuthorizedEntries or mayfly.v1.Sync' })
      }
      return { entries }
    },
    SyncAuthorizedEntries: (requests, { peer }) => syncAuthorized(requests, agentOf(peer), deps),
  }
}

/** Few entries: all of them in one message. Many: their revisions in pages, then those asked for, in pages. */
async function* syncAuthorized(requests: AsyncIterable<RequestOutput<Service, EntrySync>>, agentId: SpiffeId, deps: EntryServiceDeps): AsyncGenerator<Response<Service, EntrySync>> {
  let mask: EntryMask__Output | null | undefined
  for await (const request of requests) {
    if (mask === undefined) {
      if (request.ids.length > 0) throw new MayflyError('INVALID_ARGUMENT', 'specifying IDs on initial request is not supported')
      if (request.outputMask?.revisionNumber === false) throw new MayflyError('INVALID_ARGUMENT', 'revision number cannot be masked')
      mask = request.outputMask
      const authorized = [...deps.registry.authorizedFor(agentId).values()]
      if (authorized.length <= syncPageSize) {
        yield* pagesOf(await byIds(authorized.map(({ id }) => id), agentId, deps), mask)
        return
      }
      for (let at = 0; at < authorized.length; at += syncPageSize) {
        const entryRevisions = authorized.slice(at, at + syncPageSize).map(({ id, revision, createdAtSeconds }) => ({ id, revisionNumber: revision, createdAt: createdAtSeconds }))
        yield { entryRevisions, more: at + syncPageSize < authorized.length }
      }
    } else {
      if (request.ids.length > maxSyncIds) throw new MayflyError('LIMIT_EXCEEDED', `at most ${maxSyncIds} IDs in one request`)
      yield* pagesOf(await byIds(request.ids, agentId, deps), mask)
    }
  }
}

/** At least one message, the last without `more`; cut by count and size. */
function* pagesOf(entries: readonly Entry[], mask: EntryMask__Output | null): Generator<Response<Service, EntrySync>> {
  let page: Entry[] = []
  let bytes = 0
  for (const entry of entries) {
    if (page.length > 0 && (page.length === syncPageSize || bytes + wireSize(entry) > maxMessageBytes)) {
      yield { entries: page.map((each) => entryToWire(each, mask)), more: true }
      page = []
      bytes = 0
    }
    page.push(entry)
    bytes += wireSize(entry)
  }
  yield { entries: page.map((each) => entryToWire(each, mask)), more: false }
}

async function byIds(ids: readonly string[], agentId: SpiffeId, { registry, store }: EntryServiceDeps): Promise<readonly Entry[]> {
  const authorized = [...new Set(ids)].filter((id) => registry.authorizedEntry(agentId, id) !== undefined)
  const entries = await Promise.all(authorized.map((id) => store.entries.byId(id)))
  return entries.filter((entry) => entry !== undefined)
}

function maskedOrNull(entry: Entry | undefined, mask: EntryMask__Output | null): ReturnType<typeof entryToWire> | null {
  return entry === undefined ? null : entryToWire(entry, mask)
}

function filterOf(wire: WireFilter | null, { rules }: EntryServiceDeps): EntryFilter {
  if (wire === null) return {}
  return {
    ...(wire.bySpiffeId === null ? {} : { spiffeId: memberId(wire.bySpiffeId, rules.trustDomain) }),
    ...(wire.byParentId === null ? {} : { parentId: memberId(wire.byParentId, rules.trustDomain) }),
    ...(wire.bySelectors === null ? {} : { selectors: selectorMatch(wire.bySelectors) }),
    ...(wire.byFederatesWith === null ? {} : { federatesWith: federatesWithMatch(wire.byFederatesWith) }),
    ...(wire.byHint === null ? {} : { hint: wire.byHint.value }),
    ...(wire.byDownstream === null ? {} : { downstream: wire.byDownstream.value }),
  }
}
