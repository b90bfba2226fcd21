import { checked, flag, list, optional, record, required, text, trustDomain, withDefault } from '../../src/config/fields.ts'
import type { Field } from '../../src/config/fields.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import { parseStreamPlace, type StreamPlace } from '../../src/core/stream-place.ts'

/** Who knows what another trust domain has revoked. */
export type Elsewhere = { readonly trustDomain: TrustDomain } & (
  /** Its own stream, at these places, the best first. */
  | { readonly kind: 'stream'; readonly places: readonly StreamPlace[] }
  /** A file with lists of its authorities. */
  | { readonly kind: 'lists'; readonly file: string }
  /** Nobody: its identities are accepted until they expire. */
  | { readonly kind: 'unchecked' }
)

/** One item of `check.elsewhere` in `agent.yaml`: a trust domain and one of stream, lists, unchecked. */
export interface RawElsewhere {
  readonly trustDomain: TrustDomain
  readonly stream: readonly string[] | undefined
  readonly lists: string | undefined
  readonly unchecked: boolean
}

const maxTrustDomains = 64
const maxPlaces = 8

const item: Field<RawElsewhere> = record({
  trustDomain: required(trustDomain()),
  stream: optional(list(text(), maxPlaces)),
  lists: optional(text()),
  unchecked: withDefault(flag(), false),
})

/** The items of `check.elsewhere`, each of which is one way to ask about one trust domain. */
export const elsewhereField: Field<readonly RawElsewhere[]> = checked(list(item, maxTrustDomains), (items, problem) => void elsewhereOf(items, (at, message) => problem(`[${at}]`, message)))

/** @param problem told of each item that is none, by its place; there is none among those that {@link elsewhereField} read */
export function elsewhereOf(raw: readonly RawElsewhere[], problem: (at: number, message: string) => void = () => undefined): readonly Elsewhere[] {
  const named = new Set<TrustDomain>()
  return raw.flatMap((one, at): readonly Elsewhere[] => {
    if (named.has(one.trustDomain)) problem(at, `${one.trustDomain} is named twice`)
    named.add(one.trustDomain)
    const read = readOne(one)
    if (typeof read !== 'string') return [Object.freeze(read)]
    problem(at, read)
    return []
  })
}

/** The item, or what is wrong with it. */
function readOne({ trustDomain, stream, lists, unchecked }: RawElsewhere): Elsewhere | string {
  if ([stream, lists, unchecked ? unchecked : undefined].filter((each) => each !== undefined).length !== 1) return 'one of stream, lists and unchecked: true says who knows the revocations'
  if (lists !== undefined) return lists.startsWith('/') ? { trustDomain, kind: 'lists', file: lists } : 'the path of a file of lists begins with /'
  if (stream === undefined) return { trustDomain, kind: 'unchecked' }
  try {
    const places = stream.map((place) => parseStreamPlace(place))
    if (places.length === 0) return 'a stream is read somewhere: unix:/path, or plain:127.0.0.1:port'
    // A relay lets in over TLS who belongs to its own trust domain.
    if (places.some(({ kind }) => kind === 'tls')) return 'the stream of another trust domain is read over a socket or from loopback: unix:/path, or plain:127.0.0.1:port'
    return { trustDomain, kind: 'stream', places }
  } catch (error) {
    if (error instanceof MayflyError) return error.message
    throw error
  }
}
