import type { ExplainProcessResponse } from '../../proto/generated/mayfly/v1/ExplainProcessResponse.ts'
import type { EntryMatch } from '../../proto/generated/mayfly/v1/EntryMatch.ts'
import type { Entry } from '../../src/core/entry.ts'
import { formatSelector } from '../../src/core/selector.ts'
import type { Attestation } from '../attest/attestation.ts'

const maxEntries = 100

/** Holds each entry of this agent against the facts of a process: what matched, and what each near miss lacks. */
export function explain(attestation: Attestation, entries: Iterable<Entry>, nowMs: number): ExplainProcessResponse {
  const found = [...entries].filter((entry) => !namesNode(entry)).map((entry) => matchOf(entry, attestation, nowMs))
  found.sort((left, right) => left.missingSelectors.length - right.missingSelectors.length || Number(right.matched) - Number(left.matched) || (left.entryId < right.entryId ? -1 : 1))
  return {
    pid: attestation.pid,
    tier: attestation.tier,
    selectors: attestation.selectors.map(formatSelector),
    entries: found.slice(0, maxEntries),
  }
}

/** Such entries give the agent a name that others are registered below: no process comes near them. */
function namesNode({ selectors }: Entry): boolean {
  return selectors.some(({ type }) => type === 'spiffe_id')
}

type Found = Required<Pick<EntryMatch, 'entryId' | 'spiffeId' | 'matched' | 'missingSelectors' | 'note'>>

function matchOf(entry: Entry, { facts, missing }: Attestation, nowMs: number): Found {
  const missingSelectors = entry.selectors.map(formatSelector).filter((selector) => !facts.has(selector))
  const expired = entry.expiresAtSeconds !== 0 && entry.expiresAtSeconds * 1_000 <= nowMs
  const notes = missing.filter(({ kind }) => missingSelectors.some((selector) => selector.startsWith(`${kind}:`))).map(({ kind, why }) => `${kind}: ${why}`)
  if (expired) notes.unshift('the entry has expired')
  if (entry.disabled) notes.unshift('the entry is disabled')
  return { entryId: entry.id, spiffeId: entry.spiffeId, matched: missingSelectors.length === 0 && !expired && !entry.disabled, missingSelectors, note: notes.join('; ') }
}
