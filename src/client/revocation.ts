import { trustDomainOf } from '../core/spiffe-id.ts'
import type { StalenessClass } from '../core/revocation/freshness.ts'
import { RevocationFeed } from '../verify/feed.ts'
import type { HeadStore } from '../verify/heads.ts'
import type { ReportingIdentity } from '../verify/reporter.ts'
import { signPlain } from '../x509/signature.ts'
import type { X509Source } from './x509-source.ts'
import type { X509Svid } from './x509-svid.ts'

export interface RevocationFeedOptions {
  /** Keeps the highest head over restarts, so that a stream behind it is refused: `fileHeadStore(path)`. */
  readonly heads?: HeadStore
  /** The class of this verifier, as it is told to the server: `revoke --wait` waits for its receipt or that limit. A check may name a stricter one, not a looser. `available` when absent. */
  readonly class?: StalenessClass
  /** Name and version of the program, for `mayfly verifier list`; Node's when absent. */
  readonly software?: string
}

/**
 * Follows the revocations of the source's own trust domain over the same Workload API socket; until the first state came everything is
 * stale, see `synced`. Registers as a verifier, sends receipts, and reports whom checks accepted, signed with the source's SVID. To be disposed before
 * the source. @throws {MayflyError} NO_IDENTITY
 */
export async function startRevocationFeed(source: X509Source, options: RevocationFeedOptions = {}): Promise<RevocationFeed> {
  const { clock, random, log } = source.deps
  const { api } = source
  const feed = await RevocationFeed.start(
    { trustDomain: trustDomainOf(source.current().id) },
    {
      clock,
      random,
      logger: log,
      bundles: () => source.bundles,
      open: (position, signal) => api.revocationFrames(position, signal),
      time: (nonce, signal) => api.signerTime(nonce, signal),
      reports: { class: options.class ?? 'available', software: options.software ?? `node ${process.version}`, identity: identityOf(source), open: (reports, signal) => api.verifierReports(reports, signal) },
      ...(options.heads === undefined ? {} : { heads: options.heads }),
    },
  )
  const subscription = source.onUpdate(() => feed.identityChanged())
  feed.ended.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })
  return feed
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
