import { parseDurationMs } from '../core/duration.ts'
import { MayflyError } from '../core/errors.ts'
import { parseTrustDomain } from '../core/spiffe-id.ts'
import type { TrustDomain } from '../core/spiffe-id.ts'

/** A value in a configuration text, with where it stands. */
export interface Place {
  readonly path: string
  isNull(): boolean
  scalar(): string | number | boolean | undefined
  /** The scalar as it was written. */
  source(): string | undefined
  items(): readonly Place[] | undefined
  /** Notes what is wrong here; returns `undefined` so that a reader can return it. */
  problem(message: string): undefined
}

/** One key: how its value is read, and what it is when it is absent. */
export interface Field<T> {
  readonly required: boolean
  readonly default?: T
  /** The value, or `undefined` after `place.problem(…)`. */
  readonly read: (place: Place) => T | undefined
  /** Set for a group of keys. */
  readonly fields?: Fields
}

export type Fields = Readonly<Record<string, Field<unknown>>>
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

export function required<T>(field: Field<T>): Field<T> {
  return { ...field, required: true }
}

export function withDefault<T>(field: Field<T>, value: T): Field<T> {
  return { ...field, required: false, default: value }
}

export function optional<T>(field: Field<T>): Field<T | undefined> {
  return { required: false, read: field.read }
}

/** Keys below a key; absent is the same as empty. */
export function group<F extends Fields>(fields: F): Field<Values<F>> {
  return { required: false, read: () => undefined, fields }
}

export function text(maxLength = 4096): Field<string> {
  return scalarField((place) => {
    const value = place.scalar()
    const spelled = typeof value === 'string' ? value : place.source()
    if (spelled === undefined || spelled === '') return place.problem('must be a text')
    return spelled.length > maxLength ? place.problem(`longer than ${maxLength} characters`) : spelled
  })
}

export function integer(least: number, most: number): Field<number> {
  return scalarField((place) => {
    const value = place.scalar()
    const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) return place.problem('must be a whole number')
    return number < least || number > most ? place.problem(`must be ${least} to ${most}`) : number
  })
}

export function flag(): Field<boolean> {
  return scalarField((place) => {
    const value = place.scalar()
    if (value === true || value === 'true') return true
    if (value === false || value === 'false') return false
    return place.problem('must be true or false')
  })
}

export function oneOf<const T extends string>(...words: readonly T[]): Field<T> {
  return scalarField((place) => words.find((word) => word === place.scalar()) ?? place.problem(`must be one of ${words.join(', ')}`))
}

/** Milliseconds of `30s`, `5m`, `1h30m`. */
export function duration(leastMs: number, mostMs: number): Field<number> {
  return scalarField((place) => {
    const ms = parsed(place, parseDurationMs)
    if (ms === undefined) return undefined
    return ms < leastMs || ms > mostMs ? place.problem(`must be ${leastMs} to ${mostMs} ms, is ${ms}`) : ms
  })
}

export function trustDomain(): Field<TrustDomain> {
  return scalarField((place) => parsed(place, parseTrustDomain))
}

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, `[::1]:port`. */
export function address(): Field<HostAndPort> {
  return scalarField((place) => parseAddress(place.source() ?? '') ?? place.problem('must be host:port'))
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

export function list<T>(item: Field<T>, mostItems: number): Field<readonly T[]> {
  return scalarField((place) => {
    const places = place.items()
    if (places === undefined) return place.problem('must be a list')
    if (places.length > mostItems) return place.problem(`has more than ${mostItems} items`)
    const values: T[] = []
    for (const each of places) {
      const value = item.read(each)
      if (value === undefined) return undefined
      values.push(value)
    }
    return values
  })
}

function scalarField<T>(read: (place: Place) => T | undefined): Field<T> {
  return { required: false, read }
}

function parsed<T>(place: Place, parse: (text: string) => T): T | undefined {
  try {
    return parse(place.source() ?? '')
  } catch (error) {
    return place.problem(error instanceof MayflyError ? error.message : 'is not valid')
  }
}
