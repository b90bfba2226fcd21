import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { MayflyError } from '../../core/errors.ts'
import { isRecord } from '../../core/record.ts'
import type { Selector } from '../../core/selector.ts'
import { decodeBase64 } from '../../x509/pem.ts'
import { maxAgents, maxBundles, maxEntries } from './registry.ts'
import type { SpireAgent, SpireBundle, SpireEntry } from './registry.ts'

/** 500,000 entries of SPIRE's JSON are about 300 MB. */
const maxBytes = 512 * 1024 * 1024

/** A file, or `-` for stdin, of no more than 512 MiB. @throws {MayflyError} NOT_FOUND, LIMIT_EXCEEDED */
export async function readBounded(path: string, cwd: string, stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  try {
    for await (const part of path === '-' ? stdin : (createReadStream(resolve(cwd, path)) as AsyncIterable<Uint8Array>)) { // a stream without an encoding gives bytes
      const chunk = Buffer.from(part)
      bytes += chunk.length
      if (bytes > maxBytes) throw new MayflyError('LIMIT_EXCEEDED', `${path} is longer than ${maxBytes} bytes`)
      parts.push(chunk)
    }
  } catch (cause) {
    if (cause instanceof MayflyError) throw cause
    throw new MayflyError('NOT_FOUND', `cannot read ${path}`, { cause, hint: 'is it a file, and yours to read?' })
  }
  return Buffer.concat(parts).toString('utf8')
}

/** What `spire-server entry show -output json` prints. @throws {MayflyError} INVALID_ARGUMENT naming the entry and the member, LIMIT_EXCEEDED */
export function entriesOf(text: string, path: string): readonly SpireEntry[] {
  return listOf(text, path, 'entries', 'spire-server entry show -output json', maxEntries).map((item, at) => entryOf(item, `${path}, entry ${at + 1}`))
}

/** What `spire-server agent list -output json` prints. @throws {MayflyError} INVALID_ARGUMENT naming the agent and the member, LIMIT_EXCEEDED */
export function agentsOf(text: string, path: string): readonly SpireAgent[] {
  return listOf(text, path, 'agents', 'spire-server agent list -output json', maxAgents).map((item, at) => agentOf(item, `${path}, agent ${at + 1}`))
}

/** What `spire-server bundle list -output json` prints. @throws {MayflyError} INVALID_ARGUMENT naming the bundle and the member, LIMIT_EXCEEDED */
export function bundlesOf(text: string, path: string): readonly SpireBundle[] {
  return listOf(text, path, 'bundles', 'spire-server bundle list -output json', maxBundles).map((item, at) => bundleOf(item, `${path}, bundle ${at + 1}`))
}

function listOf(text: string, path: string, name: string, command: string, most: number): readonly unknown[] {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw new MayflyError('INVALID_ARGUMENT', `${path}: not JSON`, { cause, hint: `it must be what this prints: ${command}` })
  }
  const list = isRecord(content) ? content[name] : undefined
  if (!Array.isArray(list)) throw new MayflyError('INVALID_ARGUMENT', `${path}: it has no list of ${name}`, { hint: `it must be what this prints: ${command}` })
  if (list.length > most) throw new MayflyError('LIMIT_EXCEEDED', `${path}: ${list.length} ${name} are more than ${most}`)
  return list
}

const known = new Set(['id', 'spiffe_id', 'parent_id', 'selectors', 'x509_svid_ttl', 'ttl', 'jwt_svid_ttl', 'federates_with', 'dns_names', 'hint', 'admin', 'downstream', 'store_svid', 'expires_at', 'created_at', 'revision_number', 'additional_attributes'])

function entryOf(item: unknown, where: string): SpireEntry {
  if (!isRecord(item)) throw invalid(where, 'it is not an object')
  const attributes = item['additional_attributes'] ?? {}
  if (!isRecord(attributes)) throw invalid(`${where}, additional_attributes`, 'an object is wanted')
  return {
    id: text(item, 'id', where, 255),
    spiffeId: id(item, 'spiffe_id', where),
    parentId: id(item, 'parent_id', where),
    selectors: selectors(item, where),
    // named ttl by SPIRE 1.4 and older
    x509SvidTtlSeconds: number(item, item['x509_svid_ttl'] === undefined ? 'ttl' : 'x509_svid_ttl', where),
    jwtSvidTtlSeconds: number(item, 'jwt_svid_ttl', where),
    federatesWith: texts(item, 'federates_with', where, 300),
    dnsNames: texts(item, 'dns_names', where, 300),
    hint: text(item, 'hint', where, 4_096),
    admin: flag(item, 'admin', where),
    downstream: flag(item, 'downstream', where),
    storeSvid: flag(item, 'store_svid', where),
    disableX509SvidPrefetch: flag(attributes, 'disable_x509_svid_prefetch', `${where}, additional_attributes`),
    jwtSvidIncludeJti: flag(attributes, 'jwt_svid_include_jti', `${where}, additional_attributes`),
    expiresAtSeconds: number(item, 'expires_at', where),
    createdAtSeconds: number(item, 'created_at', where),
    unknown: [...Object.keys(item).filter((name) => !known.has(name)), ...Object.keys(attributes).filter((name) => name !== 'disable_x509_svid_prefetch' && name !== 'jwt_svid_include_jti')].map((name) => name.slice(0, 80)).slice(0, 20),
  }
}

/** What else SPIRE says of an agent is not needed here. */
function agentOf(item: unknown, where: string): SpireAgent {
  if (!isRecord(item)) throw invalid(where, 'it is not an object')
  return {
    id: id(item, 'id', where),
    attestationType: text(item, 'attestation_type', where, 255),
    selectors: selectors(item, where),
    expiresAtSeconds: number(item, 'x509svid_expires_at', where),
    banned: flag(item, 'banned', where),
  }
}

/** Whether an authority is tainted is its own trust domain's to say. */
function bundleOf(item: unknown, where: string): SpireBundle {
  if (!isRecord(item)) throw invalid(where, 'it is not an object')
  return {
    trustDomain: text(item, 'trust_domain', where, 300),
    x509Authorities: list(item, 'x509_authorities', where).map((authority, at) => {
      const place = `${where}, authority ${at + 1}`
      if (!isRecord(authority)) throw invalid(place, 'it is not an object')
      return bytes(authority, 'asn1', place)
    }),
    jwtAuthorities: list(item, 'jwt_authorities', where).map((key, at) => {
      const place = `${where}, JWT authority ${at + 1}`
      if (!isRecord(key)) throw invalid(place, 'it is not an object')
      return { keyId: text(key, 'key_id', place, 1_000), publicKey: bytes(key, 'public_key', place), expiresAtSeconds: number(key, 'expires_at', place) }
    }),
    sequence: number(item, 'sequence_number', where),
    refreshHintSeconds: number(item, 'refresh_hint', where),
  }
}

type Members = Readonly<Record<string, unknown>>

/** `{"trust_domain", "path"}`; empty when it is not there. */
function id(from: Members, name: string, where: string): string {
  const value = from[name] ?? undefined
  if (value === undefined) return ''
  if (!isRecord(value)) throw invalid(`${where}, ${name}`, 'an object with trust_domain and path is wanted')
  return `spiffe://${text(value, 'trust_domain', `${where}, ${name}`, 300)}${text(value, 'path', `${where}, ${name}`, 4_096)}`
}

function selectors(from: Members, where: string): readonly Selector[] {
  return list(from, 'selectors', where).map((item, at) => {
    const place = `${where}, selector ${at + 1}`
    if (!isRecord(item)) throw invalid(place, 'an object with type and value is wanted')
    return { type: text(item, 'type', place, 255), value: text(item, 'value', place, 8_192) }
  })
}

function text(from: Members, name: string, where: string, most: number): string {
  const value = from[name] ?? ''
  if (typeof value !== 'string') throw invalid(`${where}, ${name}`, 'a text is wanted')
  if (value.length > most) throw invalid(`${where}, ${name}`, `longer than ${most} characters`)
  return value
}

function texts(from: Members, name: string, where: string, most: number): readonly string[] {
  return list(from, name, where).map((item, at) => text({ [name]: item }, name, `${where}, item ${at + 1}`, most))
}

function list(from: Members, name: string, where: string): readonly unknown[] {
  const value = from[name] ?? []
  if (!Array.isArray(value)) throw invalid(`${where}, ${name}`, 'a list is wanted')
  if (value.length > 1_000) throw invalid(`${where}, ${name}`, 'longer than 1000 items')
  return value
}

/** Numbers of 64 bits are texts in the JSON of protobuf. */
function number(from: Members, name: string, where: string): number {
  const value = from[name] ?? 0
  const read = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof read !== 'number' || !Number.isSafeInteger(read)) throw invalid(`${where}, ${name}`, 'a whole number is wanted')
  return read
}

/** Base64, as protobuf's JSON has it. */
function bytes(from: Members, name: string, where: string): Uint8Array {
  try {
    return decodeBase64(text(from, name, where, 100_000))
  } catch {
    throw invalid(`${where}, ${name}`, 'base64 is wanted')
  }
}

function flag(from: Members, name: string, where: string): boolean {
  const value = from[name] ?? false
  if (typeof value !== 'boolean') throw invalid(`${where}, ${name}`, 'true or false is wanted')
  return value
}

function invalid(where: string, why: string): MayflyError {
  return new MayflyError('INVALID_ARGUMENT', `${where}: ${why}`)
}
