import { join } from 'node:path'
import { describe, expect, test, type TestContext } from 'vitest'
import { memberOf, startRevocationFeed, verifyX509Svid, X509Source, type RevocationFeed } from '../../src/client/index.ts'
import { isWithin, stalenessLimitMs, type StalenessClass } from '../../src/core/revocation/freshness.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { Product } from '../support/product/product.ts'
import { RelayProcess } from '../support/product/relay.ts'

const uid = process.geteuid?.() ?? 0
/** Within which the other source has been heard: no promise, for other tests want the two cores too. That nobody accepts past the limit is looked at all the while. */
const heardMs = 60_000

/** A server, an agent, two relays on it, and a verifier that reads from what it is told. Each test has its own: they mostly wait, and wait together. */
class World {
  readonly product: Product
  readonly workloadSocket: string
  readonly first: RelayProcess
  readonly second: RelayProcess
  readonly #held: AsyncDisposableStack
  readonly #source: X509Source
  #feed: RevocationFeed | undefined

  static async start({ onTestFinished }: TestContext): Promise<World> {
    const held = new AsyncDisposableStack()
    onTestFinished(async () => await held.disposeAsync())
    const product = held.use(await Product.start())
    const { workloadSocket } = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    await product.createEntries([{ spiffeId: `spiffe://${product.trustDomain}/api`, parentId, selectors: [`unix:uid:${uid}`] }])
    const relay = async (name: string): Promise<RelayProcess> => held.use(await RelayProcess.start(join(product.dir, name), ['--upstream', `unix:${workloadSocket}`]))
    const [first, second] = [await relay('r1'), await relay('r2')]
    return new World(held, product, workloadSocket, first, second, held.use(await X509Source.start({ endpoint: `unix://${workloadSocket}` })))
  }

  private constructor(held: AsyncDisposableStack, product: Product, workloadSocket: string, first: RelayProcess, second: RelayProcess, source: X509Source) {
    this.#held = held
    this.product = product
    this.workloadSocket = workloadSocket
    this.first = first
    this.second = second
    this.#source = source
  }

  get feed(): RevocationFeed {
    if (this.#feed === undefined) throw new Error('there is no verifier yet')
    return this.#feed
  }

  async verifier(wanted: StalenessClass, relays: readonly RelayProcess[]): Promise<void> {
    this.#feed = this.#held.use(await startRevocationFeed(this.#source, { class: wanted, software: 'slow', sources: relays.map(({ socket }) => ({ unix: socket })) }))
    await this.feed.synced
  }

  async mint(): Promise<readonly Uint8Array[]> {
    const { svid } = await this.product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://${this.product.trustDomain}/other`] })) })
    return svid?.certChain ?? []
  }

  async revoke(): Promise<void> {
    await this.product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${this.product.trustDomain}/other` }, rotate: true, reason: 'test' })
  }

  verdict(chain: readonly Uint8Array[], wanted: StalenessClass): string {
    return verifyX509Svid(chain, { bundles: this.#source.bundles, allow: memberOf(this.product.trustDomain), revocation: this.feed, nowMs: systemClock.nowMs(), class: wanted }).kind
  }

  /** Waits until that is the verdict. */
  async says(kind: string, chain: readonly Uint8Array[], wanted: StalenessClass): Promise<void> {
    for (const limit = AbortSignal.timeout(120_000); this.verdict(chain, wanted) !== kind; ) await systemClock.sleep(10, limit)
  }

  /** Looks all the time: past limit and a second after the acknowledgement nobody accepts. Resolves once it is refused for the revocation itself. */
  async refusedSoon(chain: readonly Uint8Array[], wanted: StalenessClass): Promise<void> {
    const ackBootMs = systemClock.bootMs()
    for (;;) {
      const sinceMs = systemClock.bootMs() - ackBootMs
      const kind = this.verdict(chain, wanted)
      if (kind === 'superseded' || kind === 'revoked') return
      if (kind === 'accepted' && sinceMs > stalenessLimitMs[wanted] + 1_000) throw new Error(`accepted ${sinceMs} ms after the revocation was acknowledged`)
      if (sinceMs > heardMs) throw new Error(`still ${kind} after a minute`)
      await systemClock.sleep(10, new AbortController().signal)
    }
  }

  async fresh(wanted: StalenessClass): Promise<void> {
    const limit = AbortSignal.timeout(120_000)
    while (!isWithin(this.feed.freshness(), wanted)) await systemClock.sleep(20, limit)
  }

  async readsFrom({ socket }: RelayProcess): Promise<void> {
    const startMs = systemClock.bootMs()
    while (this.feed.sources.find(({ isCurrent }) => isCurrent)?.name !== `unix:${socket}`) {
      if (systemClock.bootMs() - startMs > 2 * heardMs) throw new Error(`another source is read: ${JSON.stringify(this.feed.sources)}`)
      await systemClock.sleep(50, new AbortController().signal)
    }
  }
}

describe.concurrent('relays', () => {
  test.for(['SIGKILL', 'SIGSTOP', 'SIGTERM'] as const)('a relay that gets %s is left for the second within the limit of class strict, and is gone back to', async (signal, context) => {
    const world = await World.start(context)
    const { first, second } = world
    await world.verifier('strict', [first, second])
    const chain = await world.mint()
    await world.says('accepted', chain, 'strict')
    if (signal === 'SIGSTOP') first.program.child.kill(signal)
    else await first.program.kill(signal)
    await world.revoke()
    await world.refusedSoon(chain, 'strict')
    await world.readsFrom(second)
    await world.fresh('strict')
    if (signal === 'SIGSTOP') first.program.child.kill('SIGCONT')
    else await first.startAgain()
    await world.readsFrom(first)
    await world.fresh('standard')
  })

  test('with one relay alone, killed: strict refuses by its limit, and goes on when the relay is back', async (context) => {
    const world = await World.start(context)
    const { first } = world
    await world.verifier('strict', [first])
    const chain = await world.mint()
    await world.says('accepted', chain, 'strict')
    await first.program.kill('SIGKILL')
    const killedBootMs = systemClock.bootMs()
    for (;;) {
      const sinceMs = systemClock.bootMs() - killedBootMs
      if (world.verdict(chain, 'strict') !== 'accepted') break
      expect(sinceMs).toBeLessThan(stalenessLimitMs.strict + 1_000)
      await systemClock.sleep(10, new AbortController().signal)
    }
    await world.revoke()
    await first.startAgain()
    await world.refusedSoon(chain, 'strict')
    await world.fresh('strict')
  })

  test('a relay whose agent is gone ages with all below it, reads from its second upstream, and from the first when that is back', async (context) => {
    const world = await World.start(context)
    const { product, first, second, workloadSocket } = world
    await using below = await RelayProcess.start(join(product.dir, 'r3'), ['--upstream', `unix:${first.socket}`, '--upstream', `unix:${second.socket}`, '--workload-socket', workloadSocket])
    await world.verifier('strict', [below])
    const chain = await world.mint()
    await world.says('accepted', chain, 'strict')
    first.program.child.kill('SIGSTOP')
    await world.revoke()
    await world.refusedSoon(chain, 'strict')
    await world.fresh('strict')
    await expect.poll(async () => (await below.status()).upstreams, { timeout: 30_000 }).toMatchObject([{ current: false, leftFor: expect.stringMatching(/^(silent|behind)$/) }, { current: true }])
    first.program.child.kill('SIGCONT')
    const limit = AbortSignal.timeout(120_000)
    while ((await below.status()).upstreams[0]?.current !== true) await systemClock.sleep(200, limit)
    await world.fresh('standard')
  })

  test('when the server is away a verifier behind relays is stale by its class, and fresh again with it', async (context) => {
    const world = await World.start(context)
    const { product, first, second } = world
    await world.verifier('strict', [first, second])
    const chain = await world.mint()
    await product.killServer()
    await world.says('stale', chain, 'strict')
    expect(world.verdict(chain, 'available')).toBe('stale') // class of the feed: never a looser one
    await product.startServer()
    await world.fresh('strict')
    await world.says('accepted', chain, 'strict')
  })
})
