import fc from 'fast-check'
import { expect } from 'vitest'
import { stalenessLimitMs } from '../../../src/core/revocation/freshness.ts'
import { minuteOf } from '../../../src/core/serial.ts'
import { parseSpiffeId, type SpiffeId } from '../../../src/core/spiffe-id.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import { BundleSet, memberOf, RevocationFeed, verifyX509Svid, type StalenessClass, type StreamFrame, type StreamHead } from '../../../src/verify/index.ts'
import { RevocationStream } from '../../../server/revocation/stream.ts'
import { StreamSigner } from '../../../server/revocation/stream-signer.ts'
import { KeptLog, SeededRandom } from '../agent/quiet.ts'
import { FakeClock, settle } from '../fake-clock.ts'
import { FakeStreamStore } from '../revocation/fake-stream-store.ts'
import { authority, leaf, nowMs, streamSigner, trustDomain } from '../verify/certificates.ts'

const root = authority('root')
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
const notAfterMs = nowMs + 900_000
const tree = (index: number): SpiffeId => parseSpiffeId(`spiffe://${trustDomain}/bot/task/${index}`)
/** Every third is a child in a tree of grants, which ends with its tree. */
const isChild = (index: number): boolean => index % 3 === 2
const peers = Array.from({ length: 12 }, (_, index) => leaf(root, { index, ...(isChild(index) ? { uri: `${tree(index)}/sub/a` } : {}) }))
const skewToleranceMs = 1_000
const toleranceMs = 1_000

/** A verifier on another machine: its wall clock is off, its link is slow, cut, or silent, and the machine is suspended now and then. */
class Machine implements Clock {
  readonly #world: FakeClock
  feed: RevocationFeed | undefined
  skewMs = 0
  lagMs = 0
  isCut = false
  isSuspended = false
  measuredBootMs = Number.NEGATIVE_INFINITY

  constructor(world: FakeClock) {
    this.#world = world
  }

  nowMs(): number {
    return this.#world.nowMs() + this.skewMs
  }

  bootMs(): number {
    return this.#world.bootMs()
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#world.sleep(ms, signal)
  }

  /** Nothing comes while the link is cut or the machine sleeps. */
  async open(signal: AbortSignal): Promise<void> {
    while (this.isCut || this.isSuspended) await this.#world.sleep(200, signal)
  }

  /** A frame that was sent then comes so late. */
  async arrives(sentBootMs: number, signal: AbortSignal): Promise<void> {
    for (let left = sentBootMs + this.lagMs - this.bootMs(); left > 0; left = sentBootMs + this.lagMs - this.bootMs()) await this.#world.sleep(Math.min(left, 500), signal)
    await this.open(signal)
  }

  /** Whether the promise is made to it: its clock is right to a second, or the signer's was measured of late. */
  get isPromised(): boolean {
    return Math.abs(this.skewMs) <= skewToleranceMs || this.bootMs() - this.measuredBootMs < 300_000
  }
}

const machine = fc.nat({ max: 2 })
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('revoke' as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 9_000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('skew' as const), of: machine, ms: fc.oneof(fc.integer({ min: -1_000, max: 1_000 }), fc.integer({ min: -60_000, max: 60_000 }), fc.constantFrom(-3_600_000, 86_400_000)) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lag' as const), of: machine, ms: fc.constantFrom(0, 5, 500, 2_500, 4_000) }) },
  // a relay that knows how far behind the clock is set, and holds the stream back by as much
  { weight: 5, arbitrary: fc.record({ do: fc.constant('deceive' as const), of: fc.constant(0), ms: fc.integer({ min: 2_000, max: 4_500 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'mend' as const, 'suspend' as const, 'wake' as const), of: machine }) },
)

/** Acknowledged, the limit and a second ago: no fresh verifier accepts, whatever its clock, its link and its sleep; and all recover. */
export async function assertFreshness(numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const clock = new FakeClock(nowMs)
      const log = new KeptLog()
      const store = new FakeStreamStore()
      store.commit({ kind: 'authority_indexed', authorityId: root.id })
      const certify = async (spki: Uint8Array): Promise<readonly Uint8Array[]> => Promise.resolve([streamSigner(root, { spki, notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + 36_000_000 }).der])
      const signer = StreamSigner.start({ clock, logger: log, certify })
      const stream = await RevocationStream.start({ store, signer, clock, logger: log })
      const machines = [new Machine(clock), new Machine(clock), new Machine(clock)]
      for (const each of machines) each.feed = await connect(each, stream, log)
      await settle()
      const revokedBootMs: number[] = []

      const check = (): void => {
        for (const { feed, isPromised, isSuspended } of machines) {
          if (feed === undefined || isSuspended || !isPromised) continue
          for (const wanted of ['strict', 'standard'] as const) {
            for (const [index, bootMs] of revokedBootMs.entries()) {
              if (clock.bootMs() - bootMs > stalenessLimitMs[wanted] + toleranceMs) expect([wanted, index, verdict(feed, index, wanted)]).not.toContain('accepted')
            }
          }
        }
      }

      try {
        for (const item of steps) {
          const each = 'of' in item ? machines[item.of] : undefined
          switch (item.do) {
            case 'revoke':
              if (revokedBootMs.length === peers.length) break
              store.commit(
                isChild(revokedBootMs.length)
                  ? { kind: 'prefix_closed', prefix: tree(revokedBootMs.length), minute: minuteOf(notAfterMs) }
                  : { kind: 'revoked', shard: 1, minute: minuteOf(notAfterMs), index: revokedBootMs.length },
              )
              revokedBootMs.push(clock.bootMs())
              break
            case 'pass':
              for (let left = item.ms; left > 0; left -= 1_500) {
                await clock.advance(Math.min(left, 1_500))
                check()
              }
              break
            case 'skew':
              if (each !== undefined) each.skewMs = item.ms
              break
            case 'lag':
              if (each !== undefined) each.lagMs = item.ms
              break
            case 'deceive':
              if (each === undefined) break
              each.lagMs = Math.max(0, -each.skewMs) + item.ms
              each.skewMs = -each.lagMs
              await clock.advance(item.ms)
              break
            case 'cut':
            case 'mend':
              if (each !== undefined) each.isCut = item.do === 'cut'
              break
            case 'suspend':
            case 'wake':
              if (each !== undefined) each.isSuspended = item.do === 'suspend'
              break
            default:
              item satisfies never
          }
          check()
        }
        for (const each of machines) Object.assign(each, { skewMs: 0, lagMs: 0, isCut: false, isSuspended: false })
        await clock.advance(90_000)
        check()
        for (const { feed } of machines) {
          const live = revokedBootMs.length < peers.length ? verdict(feed, peers.length - 1, 'strict') : 'accepted'
          expect(live).toBe('accepted')
          for (const index of revokedBootMs.keys()) expect(verdict(feed, index, 'available')).toBe('revoked')
        }
      } finally {
        for (const { feed } of machines) await feed?.[Symbol.asyncDispose]()
        await stream[Symbol.asyncDispose]()
        await signer[Symbol.asyncDispose]()
      }
    }),
    { numRuns },
  )
}

function verdict(feed: RevocationFeed | undefined, index: number, wanted: StalenessClass): string {
  if (feed === undefined) return 'none'
  return verifyX509Svid([peers[index]?.der ?? new Uint8Array(0)], { bundles, allow: memberOf(trustDomain), revocation: feed, nowMs: nowMs + 1, class: wanted }).kind
}

async function connect(machine: Machine, stream: RevocationStream, logger: KeptLog): Promise<RevocationFeed> {
  return RevocationFeed.start(
    { trustDomain },
    {
      clock: machine,
      random: new SeededRandom(),
      logger,
      bundles: () => bundles,
      open: (position, signal) => watch(machine, stream, position, signal),
      time: async (nonce, signal) => {
        const sentBootMs = machine.bootMs()
        await machine.open(signal)
        const answer = stream.time([nonce])
        await machine.open(signal)
        if (machine.bootMs() - sentBootMs <= 5_000) machine.measuredBootMs = machine.bootMs()
        return answer
      },
    },
  )
}

/** As a relay would pass it on: in order, each frame as late as the link is. */
async function* watch(machine: Machine, stream: RevocationStream, position: StreamHead, signal: AbortSignal): AsyncIterable<StreamFrame> {
  const queue: { readonly frame: StreamFrame; readonly sentBootMs: number }[] = []
  let wake = (): void => undefined
  const pump = async (): Promise<void> => {
    for await (const frame of stream.watch(position, signal)) {
      queue.push({ frame, sentBootMs: machine.bootMs() })
      wake()
    }
  }
  const pumping = pump()
  signal.addEventListener('abort', () => wake(), { once: true })
  try {
    while (!signal.aborted) {
      const next = queue.shift()
      if (next === undefined) {
        await new Promise<void>((resolve) => (wake = resolve))
        continue
      }
      await machine.arrives(next.sentBootMs, signal)
      yield next.frame
    }
  } finally {
    void pumping.catch(() => undefined) // ends with the signal
  }
}
