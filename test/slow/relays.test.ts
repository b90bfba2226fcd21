import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { memberOf, startRevocationFeed, verifyX509Svid, X509Source, type RevocationFeed } from '../../src/client/index.ts'
import { isWithin, stalenessLimitMs, type StalenessClass } from '../../src/core/revocation/freshness.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { Product } from '../support/product/product.ts'
import { RelayProcess } from '../support/product/relay.ts'

const uid = process.geteuid?.() ?? 0
/** Beyond what is promised: other tests want the two cores too. */
const slackMs = 5_000

let held: AsyncDisposableStack
let product: Product
let workloadSocket: string
let first: RelayProcess
let second: RelayProcess
let source: X509Source
let feed: RevocationFeed

beforeEach(async () => {
  held = new AsyncDisposableStack()
  product = held.use(await Product.start())
  workloadSocket = (await product.startAgent()).workloadSocket
  const [parentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: `spiffe://${product.trustDomain}/api`, parentId, selectors: [`unix:uid:${uid}`] }])
  first = held.use(await RelayProcess.start(join(product.dir, 'r1'), ['--upstream', `unix:${workloadSocket}`]))
  second = held.use(await RelayProcess.start(join(product.dir, 'r2'), ['--upstream', `unix:${workloadSocket}`]))
  source = held.use(await X509Source.start({ endpoint: `unix://${workloadSocket}` }))
})

afterEach(async () => {
  await held[Symbol.asyncDispose]()
})

async function verifier(wanted: StalenessClass, relays: readonly RelayProcess[]): Promise<void> {
  feed = held.use(await startRevocationFeed(source, { class: wanted, software: 'slow', sources: relays.map(({ socket }) => ({ unix: socket })) }))
  await feed.synced
}

async function mint(): Promise<readonly Uint8Array[]> {
  const { svid } = await product.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(PrivateKey.generate(), { uris: [`spiffe://${product.trustDomain}/other`] })) })
  return svid?.certChain ?? []
}

async function revoke(): Promise<void> {
  await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${product.trustDomain}/other` }, rotate: true, reason: 'test' })
}

function verdict(chain: readonly Uint8Array[], wanted: StalenessClass): string {
  return verifyX509Svid(chain, { bundles: source.bundles, allow: memberOf(product.trustDomain), revocation: feed, nowMs: systemClock.nowMs(), class: wanted }).kind
}

/** Looks all the time: past limit and a second after the acknowledgement nobody accepts. Resolves with how long it took to refuse for the revocation itself. */
async function refusedSoon(chain: readonly Uint8Array[], wanted: StalenessClass): Promise<number> {
  const ackBootMs = systemClock.bootMs()
  for (;;) {
    const kind = verdict(chain, wanted)
    const sinceMs = systemClock.bootMs() - ackBootMs
    if (kind === 'superseded' || kind === 'revoked') return sinceMs
    if (kind === 'accepted' && sinceMs > stalenessLimitMs[wanted] + 1_000) throw new Error(`accepted ${sinceMs} ms after the revocation was acknowledged`)
    if (sinceMs > 60_000) throw new Error(`still ${kind} after a minute`)
    await systemClock.sleep(10, new AbortController().signal)
  }
}

async function fresh(wanted: StalenessClass): Promise<number> {
  const startMs = systemClock.bootMs()
  const limit = AbortSignal.timeout(60_000)
  while (!isWithin(feed.freshness(), wanted)) await systemClock.sleep(20, limit)
  return systemClock.bootMs() - startMs
}

async function readsFrom({ socket }: RelayProcess): Promise<void> {
  const startMs = systemClock.bootMs()
  while (feed.sources.find(({ isCurrent }) => isCurrent)?.name !== `unix:${socket}`) {
    if (systemClock.bootMs() - startMs > 60_000) throw new Error(`another source is read: ${JSON.stringify(feed.sources)}`)
    await systemClock.sleep(50, new AbortController().signal)
  }
}

test.each(['SIGKILL', 'SIGSTOP', 'SIGTERM'] as const)('a relay that gets %s is left for the second within the limit of class strict, and is gone back to', async (signal) => {
  await verifier('strict', [first, second])
  const chain = await mint()
  expect(verdict(chain, 'strict')).toBe('accepted')
  if (signal === 'SIGSTOP') first.program.child.kill(signal)
  else await first.program.kill(signal)
  await revoke()
  expect(await refusedSoon(chain, 'strict')).toBeLessThan(stalenessLimitMs.strict + slackMs)
  await readsFrom(second)
  await fresh('strict')
  if (signal === 'SIGSTOP') first.program.child.kill('SIGCONT')
  else await first.startAgain()
  await readsFrom(first)
  expect(isWithin(feed.freshness(), 'standard')).toBe(true)
})

test('with one relay alone, killed: strict refuses by its limit, and goes on when the relay is back', async () => {
  await verifier('strict', [first])
  const chain = await mint()
  expect(verdict(chain, 'strict')).toBe('accepted')
  await first.program.kill('SIGKILL')
  const killedBootMs = systemClock.bootMs()
  while (verdict(chain, 'strict') === 'accepted') await systemClock.sleep(10, AbortSignal.timeout(30_000))
  expect(systemClock.bootMs() - killedBootMs).toBeLessThan(stalenessLimitMs.strict + 1_000 + slackMs)
  await revoke()
  await first.startAgain()
  expect(await refusedSoon(chain, 'strict')).toBeLessThan(20_000)
  await fresh('strict')
})

test('a relay whose agent is gone ages with all below it, reads from its second upstream, and from the first when that is back', async () => {
  await using below = await RelayProcess.start(join(product.dir, 'r3'), ['--upstream', `unix:${first.socket}`, '--upstream', `unix:${second.socket}`, '--workload-socket', workloadSocket])
  await verifier('strict', [below])
  const chain = await mint()
  expect(verdict(chain, 'strict')).toBe('accepted')
  first.program.child.kill('SIGSTOP')
  await revoke()
  expect(await refusedSoon(chain, 'strict')).toBeLessThan(stalenessLimitMs.strict + slackMs)
  await fresh('strict')
  expect((await below.status()).upstreams).toMatchObject([{ current: false, leftFor: expect.stringMatching(/^(silent|behind)$/) }, { current: true }])
  first.program.child.kill('SIGCONT')
  const limit = AbortSignal.timeout(60_000)
  while ((await below.status()).upstreams[0]?.current !== true) await systemClock.sleep(200, limit)
  expect(isWithin(feed.freshness(), 'standard')).toBe(true)
})

test('when the server is away a verifier behind relays is stale by its class, and fresh again with it', async () => {
  await verifier('strict', [first, second])
  const chain = await mint()
  await product.killServer()
  while (isWithin(feed.freshness(), 'strict')) await systemClock.sleep(20, AbortSignal.timeout(30_000))
  expect(verdict(chain, 'strict')).toBe('stale')
  expect(verdict(chain, 'available')).toBe('stale') // class of the feed: never a looser one
  await product.startServer()
  await fresh('strict')
  expect(verdict(chain, 'strict')).toBe('accepted')
})
