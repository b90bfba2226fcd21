import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { memberOf, startRevocationFeed, verifyX509Svid, X509Source } from '../../../src/client/index.ts'
import type { RevocationFeed } from '../../../src/client/index.ts'
import type { Request } from '../../../src/rpc/services.ts'
import { systemClock } from '../../../src/system/clock.ts'
import type { AgentProcess, Product } from './product.ts'

const uid = process.getuid?.() ?? 0
export const verifierId = 'spiffe://example.org/verifier'
export const jobId = 'spiffe://example.org/job'

const lookMs = 20

type Role = NonNullable<Request<'mayfly.v1.GrantAdmin', 'PutRole'>['role']>

/** An owner, and a role that processes of any of these uids on the product's agents may ask for. */
export async function jobRole(product: Product, more: Partial<Role> = {}, uids: readonly number[] = [uid]): Promise<void> {
  await product.admin.unary('mayfly.v1.GrantAdmin', 'PutOwner', { name: 'team', contact: 'team@example.org' })
  const role: Role = {
    name: 'job',
    spiffeId: jobId,
    owner: 'team',
    requesters: (await product.agentIds()).flatMap((parentId) => uids.map((one) => ({ parentId, selectors: [`unix:uid:${one}`] }))),
    intents: [{ actions: ['write', 'forbidden', 'confirmed'], resources: ['db:*'], dataClass: 'internal', workspace: {} }],
    budget: { seconds: 300, renewals: 20, steps: 100, children: 4, depth: 2 },
    credentialTtlSeconds: 120,
    approvalTtlSeconds: 60,
    minTier: 'pid',
    confirmActions: ['confirmed'],
    ...more,
  }
  await product.admin.unary('mayfly.v1.GrantAdmin', 'PutRole', { role })
}

/** A verifier in this process that follows the revocation stream of an agent and says of a chain whether it accepts it. */
export class TestVerifier implements AsyncDisposable {
  readonly #source: X509Source
  readonly #feed: RevocationFeed

  private constructor(source: X509Source, feed: RevocationFeed) {
    this.#source = source
    this.#feed = feed
  }

  static async start(product: Product, agent: AgentProcess): Promise<TestVerifier> {
    await product.createEntries((await product.agentIds()).map((parentId) => ({ spiffeId: verifierId, parentId, selectors: [`unix:uid:${uid}`] }))) // which of them is this one nobody says
    const source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
    const feed = await startRevocationFeed(source)
    await feed.synced
    return new TestVerifier(source, feed)
  }

  verdict(chain: readonly Uint8Array[]): string {
    return verifyX509Svid(chain, { bundles: this.#source.bundles, allow: memberOf(parseTrustDomain('example.org')), revocation: this.#feed, class: 'standard', nowMs: systemClock.nowMs() }).kind
  }

  /** Resolves, with the time by the wall clock, as soon as the chain is refused: by word of its end at once, by its age within some ms. */
  async refused(chain: readonly Uint8Array[]): Promise<{ readonly verdict: string; readonly atMs: number }> {
    let heard = Promise.withResolvers<void>()
    using _ = this.#feed.onRevoked(() => heard.resolve())
    for (;;) {
      const verdict = this.verdict(chain)
      if (verdict !== 'accepted') return { verdict, atMs: systemClock.nowMs() }
      const looked = new AbortController()
      await Promise.race([heard.promise, systemClock.sleep(lookMs, looked.signal).catch(() => undefined)]) // only aborts
      looked.abort()
      heard = Promise.withResolvers()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#feed[Symbol.asyncDispose]()
    await this.#source[Symbol.asyncDispose]()
  }
}
