import { trustDomainOf } from '../core/spiffe-id.ts'
import { RevocationFeed } from '../verify/feed.ts'
import type { HeadStore } from '../verify/heads.ts'
import type { X509Source } from './x509-source.ts'

export interface RevocationFeedOptions {
  /** Keeps the highest head over restarts, so that a stream behind it is refused: `fileHeadStore(path)`. */
  readonly heads?: HeadStore
}

/**
 * Follows the revocations of the source's own trust domain over the same Workload API socket; until the first state came everything is
 * stale, see `synced`. To be disposed before the source. @throws {MayflyError} NO_IDENTITY
 */
export async function startRevocationFeed(source: X509Source, options: RevocationFeedOptions = {}): Promise<RevocationFeed> {
  const { clock, random, log } = source.deps
  return RevocationFeed.start(
    { trustDomain: trustDomainOf(source.current().id) },
    { clock, random, logger: log, bundles: () => source.bundles, open: (position, signal) => source.api.revocationFrames(position, signal), time: (nonce, signal) => source.api.signerTime(nonce, signal), ...options },
  )
}
