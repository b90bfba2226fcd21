import type { SelectorMatch__Output } from '../../proto/generated/spire/api/types/SelectorMatch.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { checkSelector } from '../../src/core/selector.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import type { EntryFilter, SelectorMatchKind } from '../store/port.ts'

const kinds: Readonly<Record<string, SelectorMatchKind>> = { MATCH_EXACT: 'exact', MATCH_SUBSET: 'subset', MATCH_SUPERSET: 'superset', MATCH_ANY: 'any' }
const maxItems = 100

/** @throws {MayflyError} INVALID_ARGUMENT, SELECTOR_INVALID */
export function selectorMatch(wire: SelectorMatch__Output): NonNullable<EntryFilter['selectors']> {
  return { match: kindOf(wire.match), selectors: nonEmpty(wire.selectors, 'selector').map(({ type, value }) => checkSelector({ type, value })) }
}

/** @throws {MayflyError} INVALID_ARGUMENT, SPIFFE_ID_INVALID */
export function federatesWithMatch(wire: { readonly trustDomains: readonly string[]; readonly match: string }): NonNullable<EntryFilter['federatesWith']> {
  return { match: kindOf(wire.match), trustDomains: nonEmpty(wire.trustDomains, 'trust domain').map((name) => parseTrustDomain(name.replace(/^spiffe:\/\//, ''))) }
}

function kindOf(name: string): SelectorMatchKind {
  const kind = kinds[name]
  if (kind === undefined) throw new MayflyError('INVALID_ARGUMENT', `no such match: ${name}`)
  return kind
}

function nonEmpty<T>(items: readonly T[], what: string): readonly T[] {
  if (items.length === 0) throw new MayflyError('INVALID_ARGUMENT', `a filter needs at least one ${what}`)
  if (items.length > maxItems) throw new MayflyError('LIMIT_EXCEEDED', `a filter has at most ${maxItems} of ${what}`)
  return items
}
