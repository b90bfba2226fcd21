import { parseDurationMs, formatDuration } from '../core/duration.ts'
import { MayflyError } from '../core/errors.ts'
import { formatSelector, parseSelector } from '../core/selector.ts'
import { parseSpiffeId } from '../core/spiffe-id.ts'
import type { Entry as EntryInput, Entry__Output as WireEntry } from '../../proto/generated/mayfly/v1/Entry.ts'
import type { Output } from './output.ts'
import { idFromWire, idToWire } from './ids.ts'
import { timeText } from './when.ts'

/** An entry as `--json` prints it and `--data` reads it: TTLs in seconds, times as ISO 8601, what is unset left out. */
export interface EntryJson {
  readonly id?: string
  readonly spiffeId: string
  readonly parentId: string
  readonly selectors: readonly string[]
  readonly x509SvidTtlSeconds?: number
  readonly jwtSvidTtlSeconds?: number
  readonly federatesWith?: readonly string[]
  readonly dnsNames?: readonly string[]
  readonly hint?: string
  readonly owner?: string
  readonly admin?: boolean
  readonly downstream?: boolean
  readonly storeSvid?: boolean
  readonly prefetch?: boolean
  readonly keepOnExit?: boolean
  readonly crl?: boolean
  readonly expiresAt?: string
  readonly disabled?: boolean
  readonly revision?: number
  readonly createdAt?: string
}

export function entryToJson(wire: WireEntry): EntryJson {
  const { entry, options } = wire
  const json: Record<keyof EntryJson, unknown> = {
    id: entry?.id,
    spiffeId: idFromWire(entry?.spiffeId),
    parentId: idFromWire(entry?.parentId),
    selectors: (entry?.selectors ?? []).map((selector) => formatSelector({ type: selector.type, value: selector.value })),
    x509SvidTtlSeconds: entry?.x509SvidTtl,
    jwtSvidTtlSeconds: entry?.jwtSvidTtl,
    federatesWith: entry?.federatesWith,
    dnsNames: entry?.dnsNames,
    hint: entry?.hint,
    owner: options?.owner,
    admin: entry?.admin,
    downstream: entry?.downstream,
    storeSvid: entry?.storeSvid,
    prefetch: options?.prefetch,
    keepOnExit: options?.keepOnExit,
    crl: options?.crl,
    expiresAt: timeText((entry?.expiresAt ?? 0) * 1_000),
    disabled: wire.disabled,
    revision: entry?.revisionNumber,
    createdAt: timeText((entry?.createdAt ?? 0) * 1_000),
  }
  const always = new Set(['id', 'spiffeId', 'parentId', 'selectors', 'revision'])
  return Object.fromEntries(Object.entries(json).filter(([name, value]) => always.has(name) || isSet(value))) as unknown as EntryJson // the record above has exactly its members
}

export function entryToWire(json: EntryJson): EntryInput {
  return {
    entry: {
      ...(json.id === undefined ? {} : { id: json.id }),
      spiffeId: idToWire(parseSpiffeId(json.spiffeId)),
      parentId: idToWire(parseSpiffeId(json.parentId)),
      selectors: json.selectors.map((text) => ({ ...parseSelector(text) })),
      x509SvidTtl: json.x509SvidTtlSeconds ?? 0,
      jwtSvidTtl: json.jwtSvidTtlSeconds ?? 0,
      federatesWith: [...(json.federatesWith ?? [])],
      dnsNames: [...(json.dnsNames ?? [])],
      hint: json.hint ?? '',
      admin: json.admin ?? false,
      downstream: json.downstream ?? false,
      storeSvid: json.storeSvid ?? false,
      expiresAt: secondsOf(json.expiresAt),
    },
    options: { owner: json.owner ?? '', prefetch: json.prefetch ?? false, keepOnExit: json.keepOnExit ?? false, crl: json.crl ?? false },
  }
}

/** Whole seconds of `5m`. @throws {MayflyError} DURATION_INVALID */
export function ttlSeconds(text: string | undefined): number {
  return text === undefined ? 0 : Math.floor(parseDurationMs(text) / 1_000)
}

/** Seconds since the epoch of an ISO 8601 time; 0 when unset. @throws {MayflyError} INVALID_ARGUMENT */
function secondsOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  const atMs = Date.parse(text)
  if (Number.isNaN(atMs)) throw new MayflyError('INVALID_ARGUMENT', `${JSON.stringify(text)} is not a time`, { hint: 'write it as 2027-01-31T12:00:00Z' })
  return Math.floor(atMs / 1_000)
}

export function printEntry(output: Output, entry: EntryJson): void {
  const flags = [entry.disabled === true && 'disabled', entry.admin === true && 'admin', entry.downstream === true && 'downstream', entry.prefetch === true && 'prefetch', entry.keepOnExit === true && 'keep on exit', entry.crl === true && 'crl'].filter((flag) => flag !== false)
  output.facts([
    ['entry', entry.id],
    ['id', entry.spiffeId],
    ['parent', entry.parentId],
    ...entry.selectors.map((selector, at): [string, string] => [at === 0 ? 'selectors' : '', selector]),
    ['x509 ttl', entry.x509SvidTtlSeconds === undefined ? 'default' : formatDuration(entry.x509SvidTtlSeconds * 1_000)],
    ['owner', entry.owner],
    ['hint', entry.hint],
    ['dns names', entry.dnsNames?.join(' ')],
    ['federates with', entry.federatesWith?.join(' ')],
    ['expires', entry.expiresAt],
    ['flags', flags.join(', ')],
    ['revision', entry.revision === undefined ? undefined : String(entry.revision)],
  ])
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== '' && value !== 0 && value !== false && !(Array.isArray(value) && value.length === 0)
}
