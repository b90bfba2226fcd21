// A process of verifiers for the benchmark of revocation latency: each with a connection of its own, told what to do over IPC.
import { memberOf, startRevocationFeed, verifyX509Svid, WorkloadApi, X509Source } from '../../../src/client/index.ts'
import type { BundleSet, ChainFacts, Verdict } from '../../../src/client/index.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { RevocationChannel } from '../../../src/client/revocation-channel.ts'
import { streamSourceOver } from '../../../src/client/stream-source.ts'
import { RpcChannel } from '../../../src/rpc/channel.ts'
import { RevocationFeed } from '../../../src/verify/feed.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { elapsedMs } from '../machine.ts'
import type { FromVerifiers, ToVerifiers } from './protocol.ts'

const trustDomain = parseTrustDomain('example.org')
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

interface Verifier {
  readonly feed: RevocationFeed
  readonly bundles: () => BundleSet
  facts: ChainFacts | undefined
  refusedAtMs: number | undefined
}

let verifiers: Verifier[] = []
let chain: readonly Uint8Array[] = []

process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToVerifiers) => {
  void handle(message).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})

async function handle(message: ToVerifiers): Promise<void> {
  switch (message.kind) {
    case 'connect':
      verifiers = []
      for (let at = 0; at < message.count; at += 25) {
        verifiers.push(...(await Promise.all(Array.from({ length: Math.min(25, message.count - at) }, async () => one(message)))))
      }
      await Promise.all(verifiers.map(async ({ feed }) => feed.synced))
      for (const verifier of verifiers) verifier.feed.onRevoked(() => look(verifier))
      say({ kind: 'connected', count: verifiers.length })
      return
    case 'watch':
      chain = message.chain.map((der) => Buffer.from(der, 'base64'))
      say({ kind: 'watching', verdicts: watchAll() })
      return
    case 'verdicts':
      say({ kind: 'verdicts', verdicts: [...verifiers.slice(0, 1).map((first) => verdict(first).kind), ...verifiers.map(({ feed, facts }) => (facts === undefined ? 'unwatched' : feed.check(facts).kind))] })
      return
    default:
      message satisfies never
  }
}

async function one({ socket, relay, reports }: ToVerifiers & { readonly kind: 'connect' }): Promise<Verifier> {
  if (relay !== undefined) return reports ? reportingTo(relay, socket) : checkingAt(relay, socket)
  return reports ? reporting(socket) : checking(socket)
}

let shared: Promise<X509Source> | undefined
let sharedBundles: Promise<BundleSet> | undefined

/** At a relay, over a connection of its own; identity and bundle, which are the agent's part, are shared by this process. */
async function reportingTo(relay: string, socket: string): Promise<Verifier> {
  const source = await (shared ??= X509Source.start({ endpoint: `unix://${socket}` }))
  const feed = await startRevocationFeed(source, { class: 'standard', software: 'bench', sources: [{ unix: relay }] })
  return { feed, bundles: () => source.bundles, facts: undefined, refusedAtMs: undefined }
}

async function checkingAt(relay: string, socket: string): Promise<Verifier> {
  const bundles = await (sharedBundles ??= WorkloadApi.connect({ endpoint: `unix://${socket}` }).fetchX509Bundles())
  const channel = new RevocationChannel(RpcChannel.connectUnix(relay, { clock: systemClock }))
  const feed = await RevocationFeed.start({ trustDomain }, { clock: systemClock, random: systemRandom, logger: quiet, bundles: () => bundles, ...streamSourceOver('relay', channel) })
  return { feed, bundles: () => bundles, facts: undefined, refusedAtMs: undefined }
}

/** Follows the stream over a connection of its own, with a bundle that is fetched once. */
async function checking(socket: string): Promise<Verifier> {
  const api = WorkloadApi.connect({ endpoint: `unix://${socket}` })
  const bundles = await api.fetchX509Bundles()
  const feed = await RevocationFeed.start({ trustDomain }, { clock: systemClock, random: systemRandom, logger: quiet, bundles: () => bundles, open: (position, signal) => api.revocationFrames(position, signal), time: (nonce, signal) => api.signerTime(nonce, signal) })
  return { feed, bundles: () => bundles, facts: undefined, refusedAtMs: undefined }
}

/** As a service uses the library: an identity that stays current, and receipts. */
async function reporting(socket: string): Promise<Verifier> {
  const source = await X509Source.start({ endpoint: `unix://${socket}` })
  const feed = await startRevocationFeed(source, { class: 'standard', software: 'bench' })
  return { feed, bundles: () => source.bundles, facts: undefined, refusedAtMs: undefined }
}

/** What decides, of an open connection and of a new one alike: the check of a chain that was verified before, right after the set has changed. */
function look(verifier: Verifier): void {
  const { facts, refusedAtMs, feed } = verifier
  if (refusedAtMs !== undefined || facts === undefined || feed.check(facts).kind !== 'revoked') return
  verifier.refusedAtMs = elapsedMs()
  const times = verifiers.flatMap(({ refusedAtMs }) => refusedAtMs ?? [])
  if (times.length === verifiers.length) say({ kind: 'refused', atMs: times })
}

/** Verifies the chain, as in a handshake, and has each verifier look for its revocation from then on. The path is verified once for all, since they have one bundle: what differs is what each knows of revocations. */
function watchAll(): string[] {
  const [first] = verifiers
  const found = first === undefined ? undefined : verdict(first)
  const facts = found?.kind === 'accepted' ? found.facts : undefined
  return verifiers.map((verifier) => {
    verifier.refusedAtMs = undefined
    verifier.facts = facts
    if (facts === undefined) return found?.kind ?? 'none'
    const { kind } = verifier.feed.check(facts)
    return kind === 'good' ? 'accepted' : kind
  })
}

function verdict({ feed, bundles }: Verifier): Verdict {
  return verifyX509Svid(chain, { bundles: bundles(), allow: memberOf(trustDomain), revocation: feed, nowMs: systemClock.nowMs(), class: 'available' })
}

function say(message: FromVerifiers): void {
  process.send?.(message)
}
