import { MayflyError } from '../../src/core/errors.ts'
import { trustDomainOf, type TrustDomain } from '../../src/core/spiffe-id.ts'
import type { ClientDeps } from '../../src/client/deps.ts'
import { X509Source } from '../../src/client/x509-source.ts'
import { BundleSet, type TrustAnchor } from '../../src/verify/bundle-set.ts'
import { readBundleText } from '../sync/bootstrap.ts'
import type { RelayConfig } from './config.ts'

export interface RelayTrustDeps extends ClientDeps {
  readFile(path: string): Promise<string>
  /** Gives up starting. */
  readonly signal: AbortSignal
}

const rereadMs = 60_000

/** By what a relay verifies the stream that it passes on, and who it is itself: from the Workload API, or a bundle alone, from a file that is read again each minute. */
export class RelayTrust implements AsyncDisposable {
  readonly trustDomain: TrustDomain
  /** Its own identity; unset with a bundle file. */
  readonly source: X509Source | undefined
  readonly #stop = new AbortController()
  #bundles: BundleSet
  #rereading: Promise<void> = Promise.resolve()

  private constructor(trustDomain: TrustDomain, source: X509Source | undefined, bundles: BundleSet) {
    this.trustDomain = trustDomain
    this.source = source
    this.#bundles = bundles
  }

  /** @throws {MayflyError} what the Workload API says; CERTIFICATE_INVALID or CONFIG_INVALID of the file */
  static async start(config: RelayConfig, deps: RelayTrustDeps): Promise<RelayTrust> {
    const { trustDomain, trustBundleFile, workloadSocket } = config
    if (trustBundleFile !== undefined && trustDomain !== undefined) {
      const read = async (): Promise<BundleSet> => BundleSet.of(readBundleText(await deps.readFile(trustBundleFile), trustDomain))
      const trust = new RelayTrust(trustDomain, undefined, await read())
      trust.#rereading = trust.#reread(read, deps)
      return trust
    }
    const source = await X509Source.start({ endpoint: `unix://${workloadSocket ?? ''}`, signal: deps.signal }, deps)
    const own = trustDomainOf(source.current().id)
    if (trustDomain === undefined || own === trustDomain) return new RelayTrust(own, source, source.bundles)
    await source[Symbol.asyncDispose]()
    throw new MayflyError('CONFIG_INVALID', `the Workload API gives an identity of ${own}, not of ${trustDomain}`, { hint: 'is this the socket of the right agent' })
  }

  /** The present authorities. None while the Workload API says that this relay has no identity any more. */
  anchors(): readonly TrustAnchor[] {
    try {
      return (this.source?.bundles ?? this.#bundles).authoritiesOf(this.trustDomain)
    } catch {
      return [] // NO_IDENTITY, the one failure it has
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#rereading
    await this.source?.[Symbol.asyncDispose]()
  }

  async #reread(read: () => Promise<BundleSet>, { clock, log }: ClientDeps): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await clock.sleep(rereadMs, signal).catch(() => undefined) // only aborts
      if (signal.aborted) return
      try {
        this.#bundles = await read()
      } catch (error) {
        log.error({ event: 'relay.bundle_unread', error: String(error) }, 'the bundle file cannot be read; the bundle before stays')
      }
    }
  }
}
