import { RevocationChannel } from '../../client/revocation-channel.ts'
import { streamSourceOver } from '../../client/stream-source.ts'
import { toHex } from '../../core/bytes.ts'
import { MayflyError } from '../../core/errors.ts'
import { decodeFrameBody, openFrame, type DecodedFrame } from '../../core/revocation/frame.ts'
import type { StreamHead } from '../../core/revocation/follower.ts'
import { parseTrustDomain } from '../../core/spiffe-id.ts'
import { RpcChannel } from '../../rpc/channel.ts'
import { BundleSet, memberOf, RevocationFeed, verifyX509Svid, type StreamFrame, type StreamSource, type Verdict } from '../../verify/index.ts'
import { buildCsr } from '../../x509/csr-builder.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { PrivateKey } from '../../x509/private-key.ts'
import type { Context } from '../context.ts'
import type { Door } from './rogue.ts'

/** What becomes of a verifier of class `strict` whose relay is the attacker's. */
export interface Deceived {
  readonly verdict: Verdict['kind']
  /** Why the relay was left, when there was another to read from. */
  readonly leftFor: string
  /** From the revocation until the verifier refused. */
  readonly afterMs: number
}

const limitMs = 4_000
const lookMs = 20

/** A relay passes everything on but what was revoked since, to a verifier that has an honest relay too. @throws {MayflyError} EXPECTATION_FAILED when the revoked identity is accepted past the limit and a second */
export async function withholdRevocation(server: RpcChannel, door: Door, workloadSocket: string, context: Pick<Context, 'clock' | 'random' | 'signal'>): Promise<Deceived> {
  using channel = RpcChannel.connectUnix(workloadSocket, { clock: context.clock })
  const honest = streamSourceOver('honest', new RevocationChannel(channel))
  let isLying = false
  const lying: StreamSource = { ...honest, name: 'lying', open: (position, signal) => without(honest.open(position, signal), (frame) => isLying && (frame.kind === 'batch' || frame.kind === 'snapshot')) }
  let leftFor = ''
  await using verifier = await startVerifier(lying, [honest], door, undefined, (fact) => (leftFor = fact['event'] === 'revocation.source_left' ? String(fact['why']) : leftFor), context)
  const chain = await mint(server, context)
  const verdict = (): Verdict['kind'] => judge(chain, verifier, door, context).kind
  await until(() => verdict() === 'accepted', context)
  isLying = true
  const afterMs = await untilRefused(chain, verdict, server, context)
  while (leftFor === '') await context.clock.sleep(lookMs, context.signal)
  return { verdict: verdict(), leftFor, afterMs }
}

/** A relay plays yesterday's snapshot, validly signed, to a verifier that was restarted and kept the head it had seen. Resolves with what it says of an identity that was revoked since. @throws as {@link withholdRevocation} */
export async function playOldSnapshot(server: RpcChannel, door: Door, workloadSocket: string, context: Pick<Context, 'clock' | 'random' | 'signal'>): Promise<Deceived> {
  using channel = RpcChannel.connectUnix(workloadSocket, { clock: context.clock })
  const heard: StreamFrame[] = []
  const honest = streamSourceOver('honest', new RevocationChannel(channel))
  let isRecorded = true
  const recorded: StreamSource = { ...honest, open: (position, signal) => tapped(honest.open(position, signal), (message) => isRecorded && heard.push(message)) }
  let seen: StreamHead
  let chain: readonly Uint8Array[]
  {
    await using before = await startVerifier(recorded, [], door, undefined, () => undefined, context)
    chain = await mint(server, context)
    const verdict = (): Verdict => judge(chain, before, door, context)
    await until(() => verdict().kind === 'accepted', context)
    isRecorded = false
    await untilRefused(chain, () => verdict().kind, server, context)
    seen = before.position
  }
  const player: StreamSource = { ...honest, name: 'player', open: (_, signal) => replayed(heard, signal, context) }
  await using again = await startVerifier(player, [], door, seen, () => undefined, context)
  await context.clock.sleep(1_000, context.signal)
  const { kind } = judge(chain, again, door, context)
  if (kind === 'accepted') throw new MayflyError('EXPECTATION_FAILED', 'it was let through')
  return { verdict: kind, leftFor: '', afterMs: 0 }
}

async function startVerifier(first: StreamSource, others: readonly StreamSource[], door: Door, seen: StreamHead | undefined, heard: (fact: Readonly<Record<string, unknown>>) => void, { clock, random }: Pick<Context, 'clock' | 'random'>): Promise<RevocationFeed> {
  const trustDomain = parseTrustDomain(door.trustDomain)
  const bundles = bundlesOf(door)
  const log = { debug: heard, info: heard, warn: heard, error: heard }
  const heads = { load: async () => Promise.resolve(seen), save: async () => Promise.resolve() }
  return await RevocationFeed.start({ trustDomain }, { clock, random, logger: log, bundles: () => bundles, ...first, others, heads })
}

async function mint(server: RpcChannel, { signal }: Pick<Context, 'signal'>): Promise<readonly Uint8Array[]> {
  const csr = Buffer.from(buildCsr(PrivateKey.generate(), { uris: ['spiffe://example.org/deceived'] }))
  const { svid } = await server.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr, ttl: 300 }, { signal })
  return svid?.certChain ?? []
}

/** Revokes it, and waits for the verifier to refuse it for that. */
async function untilRefused([leaf = new Uint8Array(0)]: readonly Uint8Array[], verdict: () => Verdict['kind'], server: RpcChannel, { clock, signal }: Pick<Context, 'clock' | 'signal'>): Promise<number> {
  const startedBootMs = clock.bootMs()
  await server.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: toHex(parseCertificate(leaf).serial).padStart(34, '0') }, reason: 'attack' }, { signal })
  for (;;) {
    const afterMs = clock.bootMs() - startedBootMs
    const kind = verdict()
    if (kind === 'revoked') return Math.round(afterMs)
    if (kind === 'accepted' && afterMs > limitMs) throw new MayflyError('EXPECTATION_FAILED', `it was let through ${Math.round(afterMs)} ms after the revocation`)
    if (afterMs > 10 * limitMs) throw new MayflyError('UNAVAILABLE', `the verifier has no other source after ${Math.round(afterMs)} ms`)
    await clock.sleep(lookMs, signal)
  }
}

async function until(holds: () => boolean, { clock, signal }: Pick<Context, 'clock' | 'signal'>): Promise<void> {
  const startedBootMs = clock.bootMs()
  while (!holds()) {
    if (clock.bootMs() - startedBootMs > 10 * limitMs) throw new MayflyError('UNAVAILABLE', 'the verifier has no state')
    await clock.sleep(lookMs, signal)
  }
}

function judge(chain: readonly Uint8Array[], revocation: RevocationFeed, door: Door, { clock }: Pick<Context, 'clock'>): Verdict {
  return verifyX509Svid(chain, { bundles: bundlesOf(door), allow: memberOf(parseTrustDomain(door.trustDomain)), revocation, nowMs: clock.nowMs(), class: 'strict' })
}

function bundlesOf(door: Door): BundleSet {
  return BundleSet.of({ trustDomain: parseTrustDomain(door.trustDomain), x509Authorities: door.authorities })
}

async function* without(messages: AsyncIterable<StreamFrame>, isHeldBack: (frame: DecodedFrame) => boolean): AsyncGenerator<StreamFrame, void, undefined> {
  for await (const message of messages) {
    const opened = openFrame(message.frame)
    const frame = opened === undefined ? undefined : decodeFrameBody(opened.body)
    if (frame !== undefined && !isHeldBack(frame)) yield message
  }
}

async function* tapped(messages: AsyncIterable<StreamFrame>, tap: (message: StreamFrame) => unknown): AsyncGenerator<StreamFrame, void, undefined> {
  for await (const message of messages) {
    tap(message)
    yield message
  }
}

/** All that was heard, and then silence. */
async function* replayed(heard: readonly StreamFrame[], signal: AbortSignal, { clock }: Pick<Context, 'clock'>): AsyncGenerator<StreamFrame, void, undefined> {
  yield* heard
  while (!signal.aborted) await clock.sleep(1_000, signal).catch(() => undefined) // only aborts
}
