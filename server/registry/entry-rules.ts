import { isDnsName } from '../../src/core/dns-name.ts'
import type { EntrySpec } from '../../src/core/entry.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { checkSelector, formatSelector } from '../../src/core/selector.ts'
import type { Selector } from '../../src/core/selector.ts'
import { hasGrantSegment, isAgentId, isReserved, parseSpiffeId, parseTrustDomain, pathOf, serverIdOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { EntryPatch } from '../store/port.ts'

/** What entries of this server must obey beyond the form. */
export interface EntryRules {
  readonly trustDomain: TrustDomain
  /** Longest lifetime the workload profile allows, seconds. */
  readonly maxTtlSeconds: number
  /** Most DNS names that it allows: an entry with more could never be issued. */
  readonly maxDnsNames: number
  /** Uids that may administer: an entry must not hand an identity to them by `unix:uid` (design 10). */
  readonly adminUids: ReadonlySet<number>
}

/** An entry as a caller sent it: the shape is right, nothing else is. IDs are text. */
export type RawEntry = Omit<EntrySpec, 'spiffeId' | 'parentId'> & { readonly spiffeId: string; readonly parentId: string }

const maxSelectors = 100
const maxFederated = 100
const maxHintBytes = 1024
const maxOwnerLength = 255
const entryId = /^[a-zA-Z0-9._-]{1,255}$/

type Checks = { readonly [K in keyof EntrySpec]: (value: RawEntry[K], rules: EntryRules) => EntrySpec[K] }

const checks: Checks = {
  spiffeId: workloadId,
  parentId,
  selectors: selectorSet,
  x509SvidTtlSeconds: ttl,
  jwtSvidTtlSeconds: ttl,
  federatesWith,
  admin: Boolean,
  downstream: Boolean,
  expiresAtSeconds: (seconds) => (Number.isSafeInteger(seconds) && seconds >= 0 ? seconds : refuse('must be seconds since the epoch, or 0')),
  dnsNames,
  storeSvid: Boolean,
  hint: (hint) => (new TextEncoder().encode(hint).length <= maxHintBytes ? hint : refuse(`longer than ${maxHintBytes} bytes`)),
  disableX509SvidPrefetch: Boolean,
  jwtSvidIncludeJti: Boolean,
  owner,
  prefetch: Boolean,
  keepOnExit: Boolean,
  crl: Boolean,
}

/** The entry, valid and with duplicate selectors dropped; SPIRE's rules and the reserved names of design 3. @throws {MayflyError} ENTRY_INVALID, `details.path` names the field */
export function checkEntry(raw: RawEntry, rules: EntryRules): EntrySpec {
  const spec = Object.fromEntries(fieldsOf().map((field) => [field, checkField(field, raw, rules)])) as unknown as EntrySpec // `checks` has a row for each field
  if (spec.storeSvid && new Set(spec.selectors.map((selector) => selector.type)).size > 1) throw invalid('selectors', 'must be of one type when storeSvid is set')
  return spec
}

/** The fields that a patch names, valid. @throws {MayflyError} ENTRY_INVALID */
export function checkPatch(id: string, raw: Partial<RawEntry>, rules: EntryRules): EntryPatch {
  checkEntryId(id)
  const named = fieldsOf().filter((field) => raw[field] !== undefined)
  return { id, ...Object.fromEntries(named.map((field) => [field, checkField(field, raw as RawEntry, rules)])) } // only fields that are there are read
}

/** @throws {MayflyError} ENTRY_INVALID */
export function checkEntryId(id: string): string {
  if (!entryId.test(id)) throw invalid('id', 'must be 1 to 255 of a-z A-Z 0-9 . _ -')
  return id
}

function fieldsOf(): readonly (keyof EntrySpec)[] {
  return Object.keys(checks) as (keyof EntrySpec)[] // the keys of a literal whose type is mapped over EntrySpec
}

function checkField<K extends keyof EntrySpec>(field: K, raw: Pick<RawEntry, K>, rules: EntryRules): EntrySpec[K] {
  try {
    return checks[field](raw[field], rules)
  } catch (error) {
    if (error instanceof MayflyError) throw invalid(field, error.message, error)
    throw error
  }
}

function workloadId(text: string, rules: EntryRules): SpiffeId {
  const id = memberId(text, rules)
  return isReserved(id) ? refuse('is in /spire, the namespace of the issuer itself') : id
}

function parentId(text: string, rules: EntryRules): SpiffeId {
  const id = memberId(text, rules)
  if (isReserved(id) && !isAgentId(id) && id !== serverIdOf(rules.trustDomain)) refuse('is in /spire but neither the server nor an agent')
  return id
}

function memberId(text: string, rules: EntryRules): SpiffeId {
  const id = parseSpiffeId(text)
  if (trustDomainOf(id) !== rules.trustDomain) refuse(`is not in trust domain ${rules.trustDomain}`)
  if (pathOf(id) === '') refuse('has no path')
  if (hasGrantSegment(id)) refuse('has a segment `task` or `sub`, which grants are named by')
  return id
}

function selectorSet(selectors: readonly Selector[], rules: EntryRules): readonly Selector[] {
  if (selectors.length === 0) refuse('is empty')
  const seen = new Map<string, Selector>()
  for (const selector of bounded(selectors, maxSelectors, 'selectors')) {
    seen.set(formatSelector(checkSelector(selector)), selector)
    const uid = selector.type === 'unix' ? /^uid:(\d+)$/.exec(selector.value)?.[1] : undefined
    if (uid !== undefined && rules.adminUids.has(Number(uid))) refuse(`selects uid ${uid}, which administers this server`)
  }
  return [...seen.values()]
}

/** SPIRE's agents ask for the bundle of each, are refused that of their own, and take nothing over any more. */
function federatesWith(names: readonly string[], rules: EntryRules): readonly string[] {
  return [...new Set(bounded(names, maxFederated, 'trust domains').map((name) => (parseTrustDomain(name) === rules.trustDomain ? refuse(`names ${name}, the trust domain of the entry itself`) : name)))]
}

function ttl(seconds: number, rules: EntryRules): number {
  if (!Number.isInteger(seconds) || seconds < 0) refuse('must be seconds, or 0 for the default')
  return seconds > rules.maxTtlSeconds ? refuse(`is longer than the ${rules.maxTtlSeconds} s that the profile allows`) : seconds
}

function dnsNames(names: readonly string[], rules: EntryRules): readonly string[] {
  const lower = new Set(bounded(names, rules.maxDnsNames, 'names').map((name) => checkDnsName(name).toLowerCase()))
  for (const name of lower) {
    if (!name.startsWith('*.') && lower.has(`*.${name.slice(name.indexOf('.') + 1)}`)) refuse(`${name} is covered by a wildcard beside it`)
  }
  return names
}

function checkDnsName(name: string): string {
  return isDnsName(name) ? name : refuse(`${JSON.stringify(name.slice(0, 80))} is not a DNS name`)
}

function owner(name: string): string {
  // Owners are shown in terminals and compared exactly.
  if (name.length > maxOwnerLength || !/^[\p{L}\p{N}\p{P}\p{S} ]*$/u.test(name) || name !== name.trim()) refuse(`must be at most ${maxOwnerLength} visible characters`)
  return name
}

function bounded<T>(items: readonly T[], most: number, what: string): readonly T[] {
  return items.length > most ? refuse(`has more than ${most} ${what}`) : items
}

function refuse(why: string): never {
  throw new MayflyError('ENTRY_INVALID', why)
}

function invalid(path: string, why: string, cause?: unknown): MayflyError {
  return new MayflyError('ENTRY_INVALID', `${path}: ${why}`, { cause, details: { path } })
}
