import { createHash } from 'node:crypto'
import { formatStreamPlace } from '../../src/core/stream-place.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import type { TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import { streamChannel, streamSourceOver } from '../../src/client/stream-source.ts'
import type { BundleSet } from '../../src/verify/bundle-set.ts'
import type { RevocationChecker } from '../../src/verify/checker.ts'
import type { RevocationsElsewhere } from '../../src/verify/elsewhere.ts'
import { RevocationFeed } from '../../src/verify/feed.ts'
import type { StreamSource } from '../../src/verify/source-link.ts'
import { headStoreIn, type HeadFile } from '../../src/verify/heads.ts'
import { revocationUnchecked } from '../../src/verify/checker.ts'
import type { Elsewhere } from './elsewhere-config.ts'
import { ForeignLists, type ForeignListsDeps } from './foreign-lists.ts'

export interface ForeignRevocationsDeps extends Omit<ForeignListsDeps, 'authorities'> {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Of the agent itself: its own stream answers for it, and nothing else does. */
  readonly own: TrustDomain
  /** All that there are now; an empty set before the agent has joined. */
  readonly bundles: () => BundleSet
  /** DER, of a trust domain other than the own; empty of one without a bundle; the same array until it is another. */
  readonly authorities: (trustDomain: TrustDomain) => readonly Uint8Array[]
  /** In the data folder. */
  readonly fileNamed: (name: string) => HeadFile
}

/** What is asked of one trust domain, until the configuration says otherwise. */
interface Asked extends AsyncDisposable {
  readonly item: string
  readonly elsewhere: () => readonly RevocationsElsewhere[]
  readonly stream?: RevocationChecker & { readonly position: StreamHead }
}

/** Who knows the revocations of other trust domains, as the configuration says: for the checks of this agent. */
export class ForeignRevocations implements AsyncDisposable {
  readonly #deps: ForeignRevocationsDeps
  readonly #asked = new Map<TrustDomain, Asked>()

  constructor(deps: ForeignRevocationsDeps) {
    this.#deps = deps
  }

  /** For the verifier. */
  get elsewhere(): readonly RevocationsElsewhere[] {
    return [...this.#asked.values()].flatMap(({ elsewhere }) => elsewhere())
  }

  /** The stream of that trust domain, where it is read. */
  streamOf(trustDomain: TrustDomain): Asked['stream'] {
    return this.#asked.get(trustDomain)?.stream
  }

  /**
   * These from now on; what stays the same goes on. Not to be called again before it has ended. One that cannot be begun is left out, and nobody of its trust domain is
   * accepted. @throws {MayflyError} CONFIG_INVALID
   */
  async replace(items: readonly Elsewhere[]): Promise<void> {
    if (items.some(({ trustDomain }) => trustDomain === this.#deps.own)) throw new MayflyError('CONFIG_INVALID', `check.elsewhere names ${this.#deps.own}, the trust domain of this agent`, { hint: 'its own stream knows its revocations' })
    const wanted = new Map(items.map((item) => [item.trustDomain, { item, text: JSON.stringify(item) }]))
    for (const [trustDomain, { item }] of this.#asked) if (wanted.get(trustDomain)?.text !== item) await this.#end(trustDomain)
    for (const [trustDomain, { item, text }] of wanted) if (!this.#asked.has(trustDomain)) this.#asked.set(trustDomain, { item: text, ...(await this.#begin(item)) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#asked.keys()].map(async (trustDomain) => await this.#end(trustDomain)))
  }

  async #begin(item: Elsewhere): Promise<Omit<Asked, 'item'>> {
    const { trustDomain } = item
    switch (item.kind) {
      case 'stream':
        return await this.#read(trustDomain, item.places)
      case 'lists': {
        const lists = await ForeignLists.start(trustDomain, item.file, { ...this.#deps, authorities: () => this.#deps.authorities(trustDomain) })
        return { elsewhere: () => lists.current.map((crl) => ({ crl })), [Symbol.asyncDispose]: async () => await lists[Symbol.asyncDispose]() }
      }
      case 'unchecked':
        this.#deps.log.warn({ event: 'check.unchecked', trustDomain }, 'identities of this trust domain are accepted until they expire: nobody is asked what it has revoked')
        return { elsewhere: () => [{ trustDomain, revocation: revocationUnchecked }], [Symbol.asyncDispose]: async () => undefined }
      default:
        return item satisfies never
    }
  }

  /** Nobody there is told of this agent. */
  async #read(trustDomain: TrustDomain, places: Extract<Elsewhere, { readonly kind: 'stream' }>['places']): Promise<Omit<Asked, 'item'>> {
    const { clock, random, log, bundles, fileNamed } = this.#deps
    const known: { feed?: RevocationFeed } = {}
    const opened = places.map((place) => ({ name: formatStreamPlace(place), channel: streamChannel(place, { clock, trustDomain, source: undefined, revocations: () => known.feed }) }))
    const close = (): void => {
      for (const { channel } of opened) channel.close()
    }
    const [first, ...others] = opened.map(({ name, channel }) => waitingFor(() => bundles().authoritiesOf(trustDomain).length > 0, streamSourceOver(name, channel), clock))
    if (first === undefined) throw new MayflyError('CONFIG_INVALID', `who tells the revocations of ${trustDomain} must be said`)
    try {
      const heads = headStoreIn(fileNamed(`foreign-head-${createHash('sha256').update(trustDomain).digest('hex').slice(0, 32)}.json`))
      const feed = await RevocationFeed.start({ trustDomain }, { clock, random, logger: log, bundles, heads, ...first, others })
      known.feed = feed
      const elsewhere = [{ trustDomain, revocation: feed }]
      const dispose = async (): Promise<void> => {
        await feed[Symbol.asyncDispose]()
        close()
      }
      return { elsewhere: () => elsewhere, stream: feed, [Symbol.asyncDispose]: dispose }
    } catch (error) {
      close()
      throw error
    }
  }

  async #end(trustDomain: TrustDomain): Promise<void> {
    const asked = this.#asked.get(trustDomain)
    this.#asked.delete(trustDomain)
    await asked?.[Symbol.asyncDispose]()
  }
}

const bundleLookMs = 250

/** The same, opened no sooner than there are authorities to verify it by: without, all that it brings would pass for forged. */
function waitingFor(isKnown: () => boolean, source: StreamSource, clock: Clock): StreamSource {
  return {
    ...source,
    open: async function* (position, signal) {
      while (!isKnown()) await clock.sleep(bundleLookMs, signal)
      yield* source.open(position, signal)
    },
  }
}
