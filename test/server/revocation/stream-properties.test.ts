import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWithin } from '../../../src/core/revocation/freshness.ts'
import type { RevocationEvent } from '../../../src/core/revocation/codec.ts'
import { minuteOf } from '../../../src/core/serial.ts'
import { BundleSet, RevocationFeed, type StreamFrame, type StreamHead } from '../../../src/verify/index.ts'
import { sha256 } from '../../../src/x509/fingerprint.ts'
import { RevocationStream } from '../../../server/revocation/stream.ts'
import { StreamSigner } from '../../../server/revocation/stream-signer.ts'
import { KeptLog, SeededRandom } from '../../support/agent/quiet.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { FakeStreamStore } from '../../support/revocation/fake-stream-store.ts'
import { authority, nowMs, serialFor, someId, streamSigner, trustDomain } from '../../support/verify/certificates.ts'

const root = authority('root')
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
const notAfterMs = nowMs + 900_000

/** A server that can be killed and started again on its store, and verifiers that are connected to whatever runs. */
class World {
  readonly clock = new FakeClock(nowMs)
  readonly log = new KeptLog()
  readonly store = new FakeStreamStore()
  readonly feeds: RevocationFeed[] = []
  #server: { readonly stream: RevocationStream; readonly signer: StreamSigner } | undefined

  async start(): Promise<void> {
    const { clock, log: logger, store } = this
    const certify = async (spki: Uint8Array): Promise<readonly Uint8Array[]> => {
      const second = Math.floor(clock.nowMs() / 1_000) * 1_000
      return Promise.resolve([streamSigner(root, { spki, notBeforeMs: second - 10_000, notAfterMs: second + 60_000 }).der])
    }
    const signer = StreamSigner.start({ clock, logger, certify })
    this.#server = { signer, stream: await RevocationStream.start({ store, signer, clock, logger }) }
  }

  async kill(): Promise<void> {
    await this.#server?.stream[Symbol.asyncDispose]()
    await this.#server?.signer[Symbol.asyncDispose]()
    this.#server = undefined
  }

  async connect(): Promise<void> {
    const open = (position: StreamHead, signal: AbortSignal): AsyncIterable<StreamFrame> => this.#watch(position, signal)
    this.feeds.push(await RevocationFeed.start({ trustDomain }, { clock: this.clock, random: new SeededRandom(), logger: this.log, bundles: () => bundles, open }))
    await settle()
  }

  async *#watch(position: StreamHead, signal: AbortSignal): AsyncIterable<StreamFrame> {
    if (this.#server === undefined) throw new Error('connection refused')
    yield* this.#server.stream.watch(position, signal)
  }

  async end(): Promise<void> {
    for (const feed of this.feeds) await feed[Symbol.asyncDispose]()
    await this.kill()
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant('revoke' as const), count: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 4_000 }) }),
  fc.constant({ do: 'kill' as const }),
  fc.constant({ do: 'start' as const }),
  fc.constant({ do: 'connect' as const }),
  fc.constant({ do: 'break' as const }),
  fc.constant({ do: 'heal' as const }),
)

test('through kills, restarts, new keys and a store that fails: whoever is fresh refuses what was revoked 4 s before, and all catch up', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const world = new World()
      const revoked: { readonly index: number; readonly atMs: number }[] = []
      let running = true
      world.store.commit({ kind: 'authority_indexed', authorityId: root.id })
      await world.start()
      await world.connect()
      try {
        for (const item of [...steps, { do: 'heal' as const }, { do: 'start' as const }, { do: 'pass' as const, ms: 12_000 }]) {
          switch (item.do) {
            case 'revoke': {
              const events = Array.from({ length: item.count }, (_, at): RevocationEvent => ({ kind: 'revoked', shard: 1, minute: minuteOf(notAfterMs), index: revoked.length + at }))
              for (const { index } of events.flatMap((event) => ('index' in event ? [event] : []))) revoked.push({ index, atMs: world.clock.bootMs() })
              world.store.commit(...events)
              break
            }
            case 'pass':
              await world.clock.advance(item.ms)
              break
            case 'kill':
              await world.kill()
              running = false
              break
            case 'start':
              if (!running) await world.start()
              running = true
              break
            case 'connect':
              if (world.feeds.length < 4) await world.connect()
              break
            case 'break':
            case 'heal':
              world.store.broken = item.do === 'break'
              break
            default:
              item satisfies never
          }
          for (const feed of world.feeds) {
            if (!isWithin(feed.freshness(), 'strict')) continue
            for (const { index, atMs } of revoked.filter((one) => world.clock.bootMs() - one.atMs > 4_000)) {
              expect({ index, atMs, kind: feed.check({ id: someId, serial: serialFor(notAfterMs, index), notAfterMs, authorityId: root.id, aboveIds: [] }).kind }).toMatchObject({ kind: 'revoked' })
            }
          }
        }
        const wanted = Buffer.from(world.store.set().root(sha256)).toString('hex')
        expect(wanted).toHaveLength(64)
        for (const feed of world.feeds) {
          expect(feed.position.seq).toBe(world.store.events.length)
          expect(isWithin(feed.freshness(), 'strict')).toBe(true)
        }
        expect(world.log.facts.filter(({ event }) => event === 'revocation.refused_frame')).toEqual([])
      } finally {
        await world.end()
      }
    }),
    { numRuns: 60 },
  )
})
