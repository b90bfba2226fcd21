import { formatSelector } from '../../core/selector.ts'
import { idFromWire } from '../ids.ts'
import type { Output } from '../output.ts'
import type { PlannedBundle } from './bundles.ts'
import type { Fate, Note, Planned } from './plan.ts'
import type { SpireRegistry } from './registry.ts'
import { attestationTypeIn, keepsAgentId } from './served.ts'
import { isAgentPath } from './usage.ts'

/** A parent of SPIRE's entries, and how it comes over. */
export interface ParentJson {
  readonly id: string
  readonly attestationType?: string
  readonly entries: number
  readonly moves: number
  readonly how: string
}

const kinds = ['moves', 'there', 'differs', 'needs_parent', 'alias', 'left', 'refused'] as const satisfies readonly Fate['kind'][]

/** The plan as `--json` prints it: how many of each kind, every entry with its fate, every parent. */
export function planJson(registry: SpireRegistry, plan: readonly Planned[], bundles: readonly PlannedBundle[]): Record<string, unknown> {
  return {
    entries: registry.entries.length,
    ...(registry.agents === undefined ? {} : { agents: registry.agents.length }),
    counts: Object.fromEntries(kinds.map((kind) => [kind, countOf(plan, kind)])),
    notes: Object.fromEntries(noteNames.map((note) => [note, noted(plan, note)])),
    plan: plan.map(entryJson),
    parents: parentsOf(registry, plan),
    ...(registry.bundles === undefined ? {} : { bundles: bundles.map(bundleJson) }),
  }
}

function bundleJson(planned: PlannedBundle): Record<string, unknown> {
  const { trustDomain, fate } = planned
  if (fate === 'differs') return { trustDomain, fate }
  return fate === 'refused' ? { trustDomain, fate, code: planned.code, text: planned.text } : { trustDomain, fate, x509Authorities: planned.bundle.x509Authorities.length }
}

function entryJson({ entry, fate }: Planned): Record<string, unknown> {
  const { kind } = fate
  const base = { id: entry.id, spiffeId: entry.spiffeId, parentId: entry.parentId, selectors: entry.selectors.map(formatSelector), fate: kind }
  switch (kind) {
    case 'moves': {
      const owner = fate.wire.options?.owner ?? ''
      return { ...base, parentId: idFromWire(fate.wire.entry?.parentId), ...(owner === '' ? {} : { owner }), notes: fate.notes }
    }
    case 'there':
      return base
    case 'differs':
      return { ...base, existingId: fate.existingId, members: fate.members }
    case 'left':
      return { ...base, why: fate.why, text: fate.text }
    case 'alias':
      return { ...base, text: fate.text }
    case 'needs_parent':
      return { ...base, newParentWanted: fate.parentId }
    case 'refused':
      return { ...base, code: fate.code, text: fate.text }
    default:
      return fate satisfies never
  }
}

const headings: Readonly<Record<(typeof kinds)[number], string>> = {
  moves: 'move',
  there: 'are at mayfly already, the same',
  differs: 'are at mayfly already and differ there: they are left as they are',
  needs_parent: 'wait for the new ID of their agent: --map-parent OLD=NEW',
  alias: 'name nodes: an agent gets the name when it joins, and what is below the name moves as it is',
  left: 'stay behind: nobody is served them, or could be (--all moves them too)',
  refused: 'mayfly refuses',
}
const noteTexts: Readonly<Record<Note, string>> = {
  no_owner: 'have no owner: --owner NAME, or --owner-map FILE',
  default_may_change: 'have the selectors of an older one, and will be the default before it: give them hints, or make them later',
  admin: 'may administer the server',
  downstream: 'belong to servers below this one',
  federates_with: 'federate with other trust domains',
  ttl_capped: 'have a shorter life than at SPIRE: --cap-ttl',
  new_parent: 'have another parent than at SPIRE: --map-parent',
}
const noteNames = Object.keys(noteTexts) as readonly Note[] // the keys of a literal whose type is a record of notes
const mostShown = 10

/** For people: how many of each kind, the first of those that need a look, the parents. */
export function printPlan(output: Output, registry: SpireRegistry, plan: readonly Planned[], bundles: readonly PlannedBundle[], trustDomain: string): void {
  output.line(`SPIRE: ${plural(registry.entries.length, 'entry', 'entries')}${registry.agents === undefined ? '' : `, ${plural(registry.agents.length, 'agent', 'agents')}`} in ${trustDomain}`)
  for (const kind of kinds) {
    const those = plan.filter(({ fate }) => fate.kind === kind)
    if (those.length === 0 && kind !== 'moves') continue
    output.line()
    output.line(`${those.length} ${headings[kind]}`)
    if (kind === 'moves') for (const note of noteNames) if (noted(plan, note) > 0) output.line(`  ${noted(plan, note)} of them ${noteTexts[note]}`)
    if (kind === 'moves' || kind === 'there') continue
    printReasons(output, those)
    if (those.some(({ fate }) => fate.kind === 'refused' && fate.text.includes('SvidTtlSeconds'))) output.line('  --cap-ttl 1h makes lives that are too long an hour')
  }
  if (bundles.length > 0) {
    output.line()
    output.table(['BUNDLE OF', 'WHAT BECOMES OF IT'], bundles.map((planned) => [planned.trustDomain, bundleText(planned)]))
  }
  const parents = parentsOf(registry, plan).filter(({ entries }) => entries > 0)
  output.line()
  output.table(['PARENT', 'ENTRIES', 'MOVE', 'HOW IT COMES OVER'], parents.slice(0, mostShown).map(({ id, entries, moves, how }) => [id, String(entries), String(moves), how]))
  if (parents.length > mostShown) output.line(`and ${parents.length - mostShown} more parents: --json has all`)
  if (registry.agents === undefined) output.note('not known: which agents SPIRE has, so nothing is said of entries that nobody uses (--agents FILE, or --spire-socket)')
}

function bundleText(planned: PlannedBundle): string {
  switch (planned.fate) {
    case 'moves':
      return 'comes along, before the entries'
    case 'there':
      return 'is at mayfly already, the same'
    case 'differs':
      return `is at mayfly already, with other authorities: it is left as it is (mayfly bundle show ${planned.trustDomain})`
    case 'refused':
      return `mayfly refuses it: ${planned.text}`
    default:
      return planned satisfies never
  }
}

/** Of many with one reason the first is named, and how many there are: one reason in the thousands hides no other. */
function printReasons(output: Output, those: readonly Planned[]): void {
  const reasons = new Map<string, { readonly first: string; others: number }>()
  for (const { entry, fate } of those) {
    const reason = reasons.get(whyOf(fate))
    if (reason === undefined) reasons.set(whyOf(fate), { first: entry.spiffeId, others: 0 })
    else reason.others++
  }
  const shown = [...reasons].slice(0, mostShown)
  for (const [why, { first, others }] of shown) output.line(`  ${first}${others === 0 ? '' : ` and ${plural(others, 'other', 'others')}`}  ${why}`)
  const left = those.length - shown.reduce((count, [, { others }]) => count + others + 1, 0)
  if (left > 0) output.line(`  and ${left} more, for other reasons: --json has all`)
}

function whyOf(fate: Fate): string {
  switch (fate.kind) {
    case 'differs':
      return `${fate.members.join(', ')} (mayfly entry show ${fate.existingId})`
    case 'needs_parent':
      return `below ${fate.parentId}`
    case 'left':
    case 'alias':
    case 'refused':
      return fate.text
    case 'moves':
    case 'there':
      return ''
    default:
      return fate satisfies never
  }
}

function parentsOf(registry: SpireRegistry, plan: readonly Planned[]): readonly ParentJson[] {
  const types = new Map(registry.agents?.map(({ id, attestationType }) => [id, attestationType]))
  const parents = new Map<string, { entries: number; moves: number }>()
  for (const id of types.keys()) parents.set(id, { entries: 0, moves: 0 })
  const names = new Set(plan.filter(({ fate }) => fate.kind === 'alias').map(({ entry }) => entry.spiffeId))
  for (const { entry, fate } of plan) {
    const found = parents.get(entry.parentId) ?? { entries: 0, moves: 0 }
    parents.set(entry.parentId, { entries: found.entries + 1, moves: found.moves + (fate.kind === 'moves' || fate.kind === 'there' ? 1 : 0) })
  }
  const rows = [...parents].map(([id, counts]): ParentJson => {
    const attestationType = types.get(id) ?? (isAgentPath(id) ? attestationTypeIn(id) : undefined)
    return { id, ...(attestationType === undefined ? {} : { attestationType }), ...counts, how: registry.agents !== undefined && isAgentPath(id) && !types.has(id) ? 'not at all: SPIRE has no such agent' : howOf(id, attestationType, names) }
  })
  return rows.toSorted((left, right) => right.entries - left.entries || (left.id < right.id ? -1 : 1))
}

function howOf(id: string, attestationType: string | undefined, names: ReadonlySet<string>): string {
  if (attestationType !== undefined) {
    return keepsAgentId(attestationType) ? `by ${attestationType}, with the same ID` : 'by a token, with another ID: mayfly token create, then --map-parent'
  }
  if (names.has(id)) return `mayfly token create --id ${id.replace(/^spiffe:\/\/[^/]*/, '')}`
  return /^spiffe:\/\/[^/]+\/spire\/server$/.test(id) ? 'is the server' : 'with the entry of this ID'
}

function countOf(plan: readonly Planned[], kind: Fate['kind']): number {
  return plan.filter(({ fate }) => fate.kind === kind).length
}

function noted(plan: readonly Planned[], note: Note): number {
  return plan.filter(({ fate }) => fate.kind === 'moves' && fate.notes.includes(note)).length
}

function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`
}
