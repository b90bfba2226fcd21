import { MayflyError } from '../core/errors.ts'
import { isRecord } from '../core/record.ts'
import { formatSelector } from '../core/selector.ts'
import type { EntryJson } from './entries.ts'
import { readData } from './read-data.ts'

/** One entry of a file; what it leaves out stays out, so that an update can tell it from what is empty. */
export type EntryDraft = { -readonly [Name in keyof EntryJson]?: EntryJson[Name] | undefined }

/**
 * Entries of a JSON or YAML file: a list, or `{"entries": […]}` as SPIRE writes it, in mayfly's spelling or in SPIRE's.
 * `-` reads stdin. @throws {MayflyError} INVALID_ARGUMENT naming the entry and the member
 */
export async function readEntryFile(path: string, cwd: string, stdin: AsyncIterable<Uint8Array | string>): Promise<readonly EntryDraft[]> {
  const content = await readData(path, cwd, stdin)
  const list = Array.isArray(content) ? content : isRecord(content) ? content['entries'] : undefined
  if (!Array.isArray(list)) throw invalid(path, 'it has no list of entries')
  return list.map((item: unknown, at) => draftOf(item, `${path}, entry ${at + 1}`))
}

type Reader = (value: unknown, where: string) => unknown

/** SPIRE's spelling and ours, and how each is read. */
const members: Readonly<Record<string, readonly [name: keyof EntryJson, read: Reader]>> = {
  id: ['id', text],
  entry_id: ['id', text],
  spiffeId: ['spiffeId', text],
  spiffe_id: ['spiffeId', text],
  parentId: ['parentId', text],
  parent_id: ['parentId', text],
  selectors: ['selectors', selectorList],
  x509SvidTtlSeconds: ['x509SvidTtlSeconds', number],
  x509_svid_ttl: ['x509SvidTtlSeconds', number],
  ttl: ['x509SvidTtlSeconds', number],
  jwtSvidTtlSeconds: ['jwtSvidTtlSeconds', number],
  jwt_svid_ttl: ['jwtSvidTtlSeconds', number],
  federatesWith: ['federatesWith', textList],
  federates_with: ['federatesWith', textList],
  dnsNames: ['dnsNames', textList],
  dns_names: ['dnsNames', textList],
  hint: ['hint', text],
  owner: ['owner', text],
  admin: ['admin', boolean],
  downstream: ['downstream', boolean],
  storeSvid: ['storeSvid', boolean],
  store_svid: ['storeSvid', boolean],
  prefetch: ['prefetch', boolean],
  keepOnExit: ['keepOnExit', boolean],
  keep_on_exit: ['keepOnExit', boolean],
  crl: ['crl', boolean],
  expiresAt: ['expiresAt', time],
  entry_expiry: ['expiresAt', time],
  expires_at: ['expiresAt', time],
  // what a listing carries and a file may keep
  disabled: ['disabled', boolean],
  revision: ['revision', number],
  revision_number: ['revision', number],
  createdAt: ['createdAt', time],
  created_at: ['createdAt', time],
}

function draftOf(item: unknown, where: string): EntryDraft {
  if (!isRecord(item)) throw invalid(where, 'it is not an object')
  const draft: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(item)) {
    const member = members[key]
    if (member === undefined) throw invalid(where, `${JSON.stringify(key)} is no member of an entry`)
    draft[member[0]] = member[1](value, `${where}, ${key}`)
  }
  return draft
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string') throw invalid(where, 'a text is wanted')
  return value
}

function number(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw invalid(where, 'a whole number is wanted')
  return value
}

function boolean(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw invalid(where, 'true or false is wanted')
  return value
}

/** SPIRE writes seconds since the epoch. */
function time(value: unknown, where: string): string {
  if (typeof value === 'number') return value === 0 ? '' : new Date(value * 1_000).toISOString()
  return text(value, where)
}

function textList(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value)) throw invalid(where, 'a list is wanted')
  return value.map((item: unknown) => text(item, where))
}

function selectorList(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value)) throw invalid(where, 'a list is wanted')
  return value.map((item: unknown) => (isRecord(item) ? formatSelector({ type: text(item['type'], where), value: text(item['value'], where) }) : text(item, where)))
}

function invalid(where: string, why: string): MayflyError {
  return new MayflyError('INVALID_ARGUMENT', `${where}: ${why}`)
}
