import { formatDuration, parseDurationMs } from '../core/duration.ts'
import { MayflyError } from '../core/errors.ts'
import { parseTrustDomain } from '../core/spiffe-id.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'
import type { Json, JsonSchema } from './schema.ts'
import { schemaOf } from './schema.ts'

/** A value in a configuration text, with where it stands. */
export interface Place {
  readonly path: string
  isNull(): boolean
  scalar(): string | number | boolean | undefined
  /** The scalar as it was written. */
  source(): string | undefined
  items(): readonly Place[] | undefined
  /** The keys below, read as a group; `undefined` and a problem noted when it is none. */
  group<F extends Fields>(fields: F): Values<F> | undefined
  /** Notes what is wrong here; returns `undefined` so that a reader can return it. */
  problem(message: string): undefined
  /** Notes what is wrong with something that is here. */
  readonly problemBelow: Complain
}

/** Notes a problem by its path from where one stands, such as `reload`, `hosts[1].name` or, for the whole, an empty one. */
export type Complain = (path: string, message: string) => void

/** One key: how its value is read, and what it is when it is absent. */
export interface Field<T> {
  readonly required: boolean
  readonly default?: T
  /** The value, or `undefined` after `place.problem(…)`. */
  readonly read: (place: Place) => T | undefined
  /** What an editor is told of the value, its default included. */
  readonly schema: JsonSchema
  /** As a file says it; asked only of values that this field could have read. */
  spell(value: T): Json
  /** Set for a group of keys. */
  readonly fields?: Fields
  /** What no key can tell alone; asked once all of a group could be read. */
  check?(value: T, problem: Complain): void
}

export type Fields = Readonly<Record<string, Field<unknown>>>
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

export function required<T>(field: Field<T>): Field<T> {
  return { ...field, required: true }
}

export function withDefault<T>(field: Field<T>, value: T): Field<T> {
  return { ...field, required: false, default: value, schema: { ...field.schema, default: field.spell(value) } }
}

export function optional<T>(field: Field<T>): Field<T | undefined> {
  return { required: false, read: field.read, schema: field.schema, spell: (value) => (value === undefined ? null : field.spell(value)) }
}

/** Keys below a key; absent is the same as empty. */
export function group<F extends Fields>(fields: F): Field<Values<F>> {
  return { required: false, read: () => undefined, schema: schemaOf(fields), spell: () => null, fields }
}

/** The same field, its value looked at once more when it could be read: what fits the type and is wrong all the same, or keys of a group that do not fit each other. */
export function checked<T>(field: Field<T>, check: (value: T, problem: Complain) => void): Field<T> {
  if (field.fields !== undefined) return { ...field, check }
  const read = (place: Place): T | undefined => {
    const value = field.read(place)
    if (value === undefined) return undefined
    let isGood = true
    check(value, (path, message) => {
      isGood = false
      place.problemBelow(path, message)
    })
    return isGood ? value : undefined
  }
  return { ...field, read }
}

export function text(maxLength = 4096): Field<string> {
  return scalarField({ type: 'string', minLength: 1, maxLength }, (place) => {
    const value = place.scalar()
    const spelled = typeof value === 'string' ? value : place.source()
    if (spelled === undefined || spelled === '') return place.problem('must be a text')
    return spelled.length > maxLength ? place.problem(`longer than ${maxLength} characters`) : spelled
  })
}

export function integer(least: number, most: number): Field<number> {
  return scalarField({ type: 'integer', minimum: least, maximum: most }, (place) => {
    const value = place.scalar()
    const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) return place.problem('must be a whole number')
    return number < least || number > most ? place.problem(`must be ${least} to ${most}`) : number
  })
}

export function flag(): Field<boolean> {
  return scalarField({ type: 'boolean' }, (place) => {
    const value = place.scalar()
    if (value === true || value === 'true') return true
    if (value === false || value === 'false') return false
    return place.problem('must be true or false')
  })
}

export function oneOf<const T extends string>(...words: readonly T[]): Field<T> {
  return scalarField({ enum: words }, (place) => words.find((word) => word === place.scalar()) ?? place.problem(`must be one of ${words.join(', ')}`))
}

/** Milliseconds of `30s`, `5m`, `1h30m`. */
export function duration(leastMs: number, mostMs: number): Field<number> {
  const schema = { type: 'string', pattern: '^(\\d{1,9}(ms|s|m|h|d))+$', description: `a duration, ${formatDuration(leastMs)} to ${formatDuration(mostMs)}, written as 30s, 5m, 1h30m or 7d` }
  return scalarField(schema, (place) => {
    const ms = parsed(place, parseDurationMs)
    if (ms === undefined) return undefined
    return ms < leastMs || ms > mostMs ? place.problem(`must be ${leastMs} to ${mostMs} ms, is ${ms}`) : ms
  }, formatDuration)
}

export function trustDomain(): Field<TrustDomain> {
  return scalarField({ type: 'string', pattern: '^[a-z0-9._-]{1,255}$' }, (place) => parsed(place, parseTrustDomain))
}

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, `[::1]:port`. */
export function address(): Field<HostAndPort> {
  const schema = { type: 'string', pattern: '^(\\[[0-9a-fA-F:.]{2,45}\\]|[a-zA-Z0-9._-]{1,253}):\\d{1,5}$', description: 'host:port' }
  return scalarField(schema, (place) => parseAddress(place.source() ?? '') ?? place.problem('must be host:port'), formatAddress)
}

/** `undefined` when it is none. */
export function parseAddress(spelled: string): HostAndPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([a-zA-Z0-9._-]{1,253})):(\d{1,5})$/.exec(spelled)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || !(port <= 65_535) ? undefined : { host, port }
}

export function formatAddress({ host, port }: HostAndPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** `http://…` or `https://…`, without user and password. */
export function httpUrl(): Field<string> {
  return scalarField({ type: 'string', pattern: '^https?://[^/@]+(/.*)?$' }, (place) => {
    const spelled = place.source() ?? ''
    const url = URL.canParse(spelled) ? new URL(spelled) : undefined
    return url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' ? spelled : place.problem('must be http://host/path or https://host/path')
  })
}

export function list<T>(item: Field<T>, mostItems: number): Field<readonly T[]> {
  const schema = { type: 'array', items: item.schema, maxItems: mostItems }
  const read = (place: Place): readonly T[] | undefined => {
    const places = place.items()
    if (places === undefined) return place.problem('must be a list')
    if (places.length > mostItems) return place.problem(`has more than ${mostItems} items`)
    const values = places.map((each) => item.read(each)).filter((value) => value !== undefined)
    return values.length === places.length ? values : undefined // each that could not be read has said why
  }
  return scalarField(schema, read, (values) => values.map((value) => item.spell(value)))
}

/** Keys of one item of a list. */
export function record<F extends Fields>(fields: F): Field<Values<F>> {
  const spell = (values: Values<F>): Json => Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.spell(values[key])]))
  return scalarField(schemaOf(fields), (place) => place.group(fields), spell)
}

function scalarField<T>(schema: JsonSchema, read: (place: Place) => T | undefined, spell: (value: T) => Json = asItIs): Field<T> {
  return { required: false, read, schema, spell }
}

function asItIs(value: unknown): Json {
  return value as Json // texts, numbers and flags: the kinds of fields that spell no other way
}

function parsed<T>(place: Place, parse: (text: string) => T): T | undefined {
  try {
    return parse(place.source() ?? '')
  } catch (error) {
    return place.problem(error instanceof MayflyError ? error.message : 'is not valid')
  }
}
