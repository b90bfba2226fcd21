import { expect, test } from 'vitest'
import { RevocationRelay } from '../../../agent/relay/revocation-relay.ts'
import { maxDepth, Upstream } from '../../../agent/relay/upstream.ts'
import { emptyChainHash } from '../../../src/core/revocation/codec.ts'
import { parseStreamPlace } from '../../../src/core/stream-place.ts'
import { BundleSet, type StreamFrame } from '../../../src/verify/index.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { SignedSimStream } from '../../support/revocation/signed-sim-stream.ts'
import { authority, nowMs, trustDomain } from '../../support/verify/certificates.ts'

const root = authority('root')
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })
const nowhere = { epoch: 0, seq: 0, chainHash: emptyChainHash }
const clock = new FakeClock(nowMs)
const id = (seed: number): Uint8Array => new Uint8Array(16).fill(seed)

function relayWith(own: Uint8Array): { readonly relay: RevocationRelay; readonly stream: SignedSimStream } {
  const stream = new SignedSimStream(root)
  stream.append({ kind: 'authority_indexed', authorityId: root.id })
  const relay = new RevocationRelay({ maxReaders: 10, maxFrames: 50, id: own }, { clock, log: new KeptLog(), anchors: () => bundles.authoritiesOf(trustDomain), askTime: async () => Promise.reject(new Error('nobody')), wantSnapshot: () => undefined })
  for (const frame of stream.snapshots()) relay.accept(frame)
  return { relay, stream }
}

test('a relay says through which relays the stream came, with the first message and when that changes', async () => {
  const { relay, stream } = relayWith(id(9))
  const ends = new AbortController()
  const messages = relay.watch(nowhere, ends.signal)
  const next = async (): Promise<StreamFrame | undefined> => (await messages.next()).value ?? undefined
  expect((await next())?.path).toEqual([id(9)])
  relay.accept({ frame: stream.heartbeat(1, nowMs + 1), signerChain: [] })
  expect((await next())?.path).toBeUndefined()
  relay.comesThrough([id(1), id(2)])
  relay.accept({ frame: stream.heartbeat(1, nowMs + 2), signerChain: [] })
  expect((await next())?.path).toEqual([id(1), id(2), id(9)])
  relay.comesThrough([id(1), id(2)])
  relay.accept({ frame: stream.heartbeat(1, nowMs + 3), signerChain: [] })
  expect((await next())?.path).toBeUndefined()
  ends.abort()
})

test.each([
  ['its own number', [id(1), id(9), id(2)]],
  ['as many relays as may follow one another', Array.from({ length: maxDepth }, (_, at) => id(at + 20))],
])('an upstream whose path has %s is not read', async (_, path) => {
  const upstream = new Upstream(parseStreamPlace('unix:/nowhere'), id(9), { clock, trustDomain, source: undefined, revocations: () => undefined })
  Object.defineProperty(upstream, 'channel', {
    value: {
      async *frames(): AsyncGenerator<StreamFrame> {
        yield await Promise.resolve({ frame: new Uint8Array(1), signerChain: [], path: [id(1)] })
        yield { frame: new Uint8Array(2), signerChain: [], path }
      },
    },
  })
  const read: StreamFrame[] = []
  const reading = (async () => {
    for await (const message of upstream.open(nowhere, new AbortController().signal)) read.push(message)
  })()
  await expect(reading).rejects.toMatchObject({ code: 'RELAY_CIRCLE' })
  expect(read.map(({ frame }) => frame.length)).toEqual([1])
  expect(upstream.path).toEqual([id(1)])
})
