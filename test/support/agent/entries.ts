import { plainEntry } from '../../../src/core/entry.ts'
import type { Entry } from '../../../src/core/entry.ts'
import { parseSelector } from '../../../src/core/selector.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'

/** An entry of a test; `selectors` as `unix:uid:1000`. */
export function anEntry(id: string, overrides: Partial<Omit<Entry, 'selectors' | 'spiffeId'>> & { selectors?: readonly string[]; spiffeId?: string } = {}): Entry {
  const { selectors = ['unix:uid:1000'], spiffeId = `spiffe://test.example/${id}`, ...rest } = overrides
  return {
    id,
    spiffeId: parseSpiffeId(spiffeId),
    parentId: parseSpiffeId('spiffe://test.example/spire/agent/join_token/a'),
    selectors: selectors.map(parseSelector),
    ...plainEntry,
    createdAtSeconds: 1_700_000_000,
    revision: 0,
    disabled: false,
    ...rest,
  }
}

export function entryMap(...entries: readonly Entry[]): ReadonlyMap<string, Entry> {
  return new Map(entries.map((entry) => [entry.id, entry]))
}
