import { MayflyError } from '../errors.ts'
import type { AllowedIntent, Intent, Workspace } from './grant.ts'
import type { DataClass } from './policy-request.ts'

/** Bounds of what a task may declare. */
const maxActions = 32
const maxResources = 64
const maxTextBytes = 500
const maxTicketBytes = 100

/** An intent as it comes in. */
export interface RawIntent {
  readonly actions: readonly string[]
  readonly resources: readonly string[]
  readonly workspace?: Partial<Workspace> | undefined
  readonly expectedOutcome?: string | undefined
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
}

/**
 * Checks an intent and gives it its one form: lists sorted by code unit, each item once. Actions are `[a-z][a-z0-9._-]*`, resources `kind:name` without a
 * wildcard, texts bounded, NFC, without control, format or separator characters, so that they show as they are. @throws {MayflyError} INTENT_INVALID
 */
export function parseIntent(raw: RawIntent): Intent {
  return Object.freeze({
    actions: names('action', raw.actions, maxActions, isAction),
    resources: names('resource', raw.resources, maxResources, (text) => isResource(text) && !text.endsWith(':*')),
    workspace: parseWorkspace(raw.workspace ?? {}),
    expectedOutcome: plainText('the expected outcome', raw.expectedOutcome ?? '', maxTextBytes),
    reason: plainText('the reason', raw.reason ?? '', maxTextBytes),
    ticket: plainText('the ticket', raw.ticket ?? '', maxTicketBytes),
  })
}

/** What a role allows, in its one form; resources may end with `:*`. @throws {MayflyError} INTENT_INVALID */
export function parseAllowedIntent(raw: AllowedIntent): AllowedIntent {
  if (!Object.hasOwn(classLevels, raw.dataClass)) throw invalid(`a data class is one of ${Object.keys(classLevels).join(', ')}`)
  return Object.freeze({
    actions: names('action', raw.actions, maxActions, isAction),
    resources: names('resource', raw.resources, maxResources, isResource),
    dataClass: raw.dataClass,
    workspace: parseWorkspace(raw.workspace),
  })
}

/** Each part at most 64 letters, digits, `.`, `_`, `-`; empty where it names none. @throws {MayflyError} INTENT_INVALID */
function parseWorkspace(raw: Partial<Workspace>): Workspace {
  const part = (name: keyof Workspace): string => {
    const text = raw[name] ?? ''
    if (!/^[A-Za-z0-9._-]{0,64}$/.test(text)) throw invalid(`the ${name} of a workspace is at most 64 letters, digits, dots, underscores and hyphens`)
    return text
  }
  return Object.freeze({ system: part('system'), environment: part('environment'), tenant: part('tenant') })
}

export function isAction(text: string): boolean {
  return /^[a-z][a-z0-9._-]{0,63}$/.test(text)
}

/** A name `kind:name`, or all of a kind as `kind:*`. */
function isResource(text: string): boolean {
  return /^[a-z][a-z0-9._-]{0,31}:(?:\*|[A-Za-z0-9._~:/@+=,-]{1,256})$/.test(text)
}

/** Text that people are shown: bounded, in normal form C, nothing in it that does not show as itself. @throws {MayflyError} INTENT_INVALID */
export function plainText(what: string, text: string, maxBytes: number): string {
  if (new TextEncoder().encode(text).length > maxBytes) throw invalid(`${what} is longer than ${maxBytes} bytes`)
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(text) || text !== text.normalize('NFC')) throw invalid(`${what} has characters that do not show as themselves`)
  return text
}

/** The bytes whose SHA-256 is the hash of an intent: a heading and one line of JSON for each field, so that no two intents share them. */
export function canonicalIntent(intent: Intent): string {
  return `mayfly intent 1\n${intentLines(intent)}`
}

/** One line a field, each ended by a line feed. */
export function intentLines(intent: Intent): string {
  const { actions, resources, workspace, expectedOutcome, reason, ticket } = intent
  const fields = { actions, resources, system: workspace.system, environment: workspace.environment, tenant: workspace.tenant, expected_outcome: expectedOutcome, reason, ticket }
  return linesOf(fields)
}

/** `name: JSON`, a line each. JSON escapes control characters, so that a value is never two lines. */
export function linesOf(fields: Readonly<Record<string, string | number | readonly string[]>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('')
}

/** Whether a role's terms allow one action on one resource in a workspace. */
export function allowsStep(allowed: readonly AllowedIntent[], action: string, resource: string, workspace: Workspace): boolean {
  return allowed.some((one) => sameWorkspace(one.workspace, workspace) && one.actions.includes(action) && one.resources.some((pattern) => matches(pattern, resource)))
}

export type Coverage = { readonly kind: 'covered' } | { readonly kind: 'outside'; readonly action: string; readonly resource: string }

/** Whether a role's terms allow each action on each resource of the intent, in its workspace. */
export function coverage(allowed: readonly AllowedIntent[], intent: Intent): Coverage {
  const here = allowed.filter((one) => sameWorkspace(one.workspace, intent.workspace))
  for (const resource of intent.resources) {
    const matching = here.filter((one) => one.resources.some((pattern) => matches(pattern, resource)))
    for (const action of intent.actions) {
      if (!matching.some((one) => one.actions.includes(action))) return { kind: 'outside', action, resource }
    }
  }
  return { kind: 'covered' }
}

/** Whether a child's intent lies within its parent's: the same workspace, no other action or resource. */
export function isWithin(intent: Intent, outer: Intent): boolean {
  return (
    sameWorkspace(intent.workspace, outer.workspace) &&
    intent.actions.every((action) => outer.actions.includes(action)) &&
    intent.resources.every((resource) => outer.resources.includes(resource))
  )
}

/** The most sensitive class that the role states for this resource in this workspace; `undefined` when it does not name it. */
export function dataClassOf(allowed: readonly AllowedIntent[], resource: string, workspace: Workspace): DataClass | undefined {
  let highest: DataClass | undefined
  for (const one of allowed) {
    if (!sameWorkspace(one.workspace, workspace) || !one.resources.some((pattern) => matches(pattern, resource))) continue
    if (highest === undefined || classLevels[one.dataClass] > classLevels[highest]) highest = one.dataClass
  }
  return highest
}

/** Whether what is reported is what was declared; what was not declared is never expected. */
export function isExpected(intent: Intent, outcome: string): boolean {
  return intent.expectedOutcome !== '' && outcome.trim().normalize('NFC') === intent.expectedOutcome.trim()
}

function sameWorkspace(left: Workspace, right: Workspace): boolean {
  return left.system === right.system && left.environment === right.environment && left.tenant === right.tenant
}

const classLevels: Readonly<Record<DataClass, number>> = { public: 0, internal: 1, confidential: 2, restricted: 3 }

function matches(pattern: string, resource: string): boolean {
  return pattern.endsWith(':*') ? resource.startsWith(pattern.slice(0, -1)) : pattern === resource
}

function names(what: string, given: readonly string[], most: number, isOne: (text: string) => boolean): readonly string[] {
  const once = [...new Set(given)].toSorted()
  if (once.length === 0 || given.length > most) throw invalid(`an intent has 1 to ${most} ${what}s`)
  const wrong = once.find((text) => !isOne(text))
  if (wrong !== undefined) throw invalid(`${JSON.stringify(wrong.slice(0, 80))} is no ${what}`)
  return Object.freeze(once)
}

function invalid(why: string): MayflyError {
  return new MayflyError('INTENT_INVALID', why, { hint: 'actions are written as write, resources as db:orders, texts as plain lines' })
}
