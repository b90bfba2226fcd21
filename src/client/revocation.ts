import { MayflyError } from '../core/errors.ts'
import { trustDomainOf, type SpiffeId, type TrustDomain } from '../core/spiffe-id.ts'
import { parseStreamPlace } from '../core/stream-place.ts'
import type { StalenessClass } from '../core/revocation/freshness.ts'
import { RevocationFeed } from '../verify/feed.ts'
import type { HeadStore } from '../verify/heads.ts'
import type { ReportingIdentity } from '../verify/reporter.ts'
import type { StreamSource } from '../verify/source-link.ts'
import { signPlain } from '../x509/signature.ts'
import type { RevocationChannel } from './revocation-channel.ts'
import { streamChannel, streamSourceOver } from './stream-source.ts'
import type { X509Source } from './x509-source.ts'
import type { X509Svid } from './x509-svid.ts'

/** Where to read the stream: `agent` is the source's own Workload API; a relay at a Unix socket, at an address by TLS with SVIDs on both sides, or on this machine in the clear. */
export type RevocationFeedSource =
  | 'agent'
  | { readonly unix: string }
  /** `host:port`; any member of the trust domain may be the relay, or just the one of this ID. */
  | { readonly address: string; readonly id?: SpiffeId }
  /** `127.0.0.1:port`. */
  | { readonly plain: string }

export interface RevocationFeedOptions {
  /** Another trust domain, whose stream is read by the bundle that the source has of it: for `elsewhere`. Its `sources` must be named, and nobody there is told of this verifier. The source's own when absent. */
  readonly trustDomain?: TrustDomain
  /** The best first; `['agent']` when absent. The next takes over when those before it are gone, silent, behind or caught at a lie; no source is trusted. */
  readonly sources?: readonly RevocationFeedSource[]
  /** Keeps the highest head over restarts, so that a stream behind it is refused: `fileHeadStore(path)`. */
  readonly heads?: HeadStore
  /** The class of this verifier, as it is told to the server: `revoke --wait` waits for its receipt or that limit. A check may name a stricter one, not a looser. `available` when absent. */
  readonly class?: StalenessClass
  /** Name and version of the program, for `mayfly verifier list`; Node's when absent. */
  readonly software?: string
}

/**
 * Follows the revocations of the source's own trust domain over the same Workload API socket, or wherever it is told; until the first state came everything is
 * stale, see `synced`. Registers as a verifier, sends receipts, and reports whom checks accepted, signed with the source's SVID. To be disposed before
 * the source. @throws {MayflyError} NO_IDENTITY, ENDPOINT_INVALID, INVALID_ARGUMENT when `sources` is empty, or unset for another trust domain
 */
export async function startRevocationFeed(source: X509Source, options: RevocationFeedOptions = {}): Promise<RevocationFeed> {
  const { clock, random, log } = source.deps
  const own = trustDomainOf(source.current().id)
  const trustDomain = options.trustDomain ?? own
  if (trustDomain !== own && options.sources === undefined) throw new MayflyError('INVALID_ARGUMENT', `who tells the revocations of ${trustDomain} must be said`, { hint: 'sources: a relay of that trust domain' })
  const known: { feed?: RevocationFeed } = {}
  const { sources, channels } = sourcesOf(options.sources ?? ['agent'], trustDomain, source, () => known.feed)
  const [first, ...others] = sources
  if (first?.report === undefined) throw new MayflyError('INVALID_ARGUMENT', 'the revocation stream needs a source')
  const feed = await RevocationFeed.start(
    { trustDomain },
    {
      clock,
      random,
      logger: log,
      bundles: () => source.bundles,
      ...first,
      others,
      ...(trustDomain === own ? { reports: { class: options.class ?? 'available', software: options.software ?? `node ${process.version}`, identity: identityOf(source), open: first.report } } : {}),
      ...(options.heads === undefined ? {} : { heads: options.heads }),
    },
  )
  known.feed = feed
  const subscription = source.onUpdate(() => feed.identityChanged())
  feed.ended.addEventListener(
    'abort',
    () => {
      subscription[Symbol.dispose]()
      for (const channel of channels) channel.close()
    },
    { once: true },
  )
  return feed
}

function sourcesOf(places: readonly RevocationFeedSource[], trustDomain: TrustDomain, source: X509Source, feed: () => RevocationFeed | undefined): { readonly sources: readonly StreamSource[]; readonly channels: readonly RevocationChannel[] } {
  const { api } = source
  const agent: StreamSource = { name: 'agent', open: (position, signal) => api.revocationFrames(position, signal), time: (nonce, signal) => api.signerTime(nonce, signal), report: (reports, signal) => api.verifierReports(reports, signal) }
  const channels: RevocationChannel[] = []
  const sources = places.map((place) => {
    if (place === 'agent') return agent
    const name = 'unix' in place ? `unix:${place.unix}` : 'plain' in place ? `plain:${place.plain}` : place.address
    const id = 'id' in place && place.id !== undefined ? { id: place.id } : {}
    const channel = streamChannel(parseStreamPlace(name), { clock: source.deps.clock, trustDomain, source, revocations: feed, ...id })
    channels.push(channel)
    return streamSourceOver(name, channel)
  })
  return { sources, channels }
}

/** The same object for the same SVID. */
function identityOf(source: X509Source): () => ReportingIdentity | undefined {
  let made: { readonly svid: X509Svid; readonly identity: ReportingIdentity } | undefined
  return () => {
    const svid = currentOf(source)
    if (svid === undefined) return undefined
    if (made?.svid !== svid) made = { svid, identity: { chain: svid.certificateChain, sign: (bytes) => signPlain(svid.privateKey, bytes) } }
    return made.identity
  }
}

function currentOf(source: X509Source): X509Svid | undefined {
  try {
    return source.current()
  } catch {
    return undefined // withdrawn or expired
  }
}
