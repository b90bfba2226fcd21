import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chainHash, decodeEvent, emptyChainHash, encodeEvent, maxIndex, type RevocationEvent } from '../../../src/core/revocation/codec.ts'
import { decodeFrameBody, encodeFrameBody, openFrame, type Frame } from '../../../src/core/revocation/frame.ts'
import { RevocationSet } from '../../../src/core/revocation/set.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { joinParts, splitSnapshot } from '../../../src/core/revocation/snapshot.ts'
import { sha256, SimStream } from '../../support/revocation/sim-stream.ts'
import { anyEvent } from './arbitraries.ts'

const wideEvent: fc.Arbitrary<RevocationEvent> = fc.oneof(
  anyEvent,
  fc.record({
    kind: fc.constantFrom('superseded' as const, 'revoked' as const),
    shard: fc.integer({ min: 1, max: 127 }),
    minute: fc.integer({ min: 0, max: 0xffff_ffff }),
    index: fc.integer({ min: 0, max: maxIndex }),
  }),
)

test('every event survives its encoding', () => {
  fc.assert(
    fc.property(wideEvent, (event) => {
      expect(decodeEvent(encodeEvent(event))).toEqual(event)
    }),
  )
})

test('whatever decodes encodes to the same bytes: an event has one form', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 48 }), (bytes) => {
      const event = decodeEvent(bytes)
      if (event !== undefined && event.kind !== 'unknown') expect(encodeEvent(event)).toEqual(bytes)
    }),
  )
})

test.each([
  ['an unknown type below 128', [6, 0, 1, 0], undefined],
  ['a closed prefix without an ID', [5, 0, 4, 0, 0, 0, 1], undefined],
  ['a closed prefix shorter than its minute', [5, 0, 3, 0, 0, 1], undefined],
  ['a closed prefix that is no ID of a grant', [5, 0, 17, 0, 0, 0, 1, ...Buffer.from('spiffe://td/x')], undefined],
  ['a closed prefix that ends in a slash', [5, 0, 25, 0, 0, 0, 1, ...Buffer.from('spiffe://td/x/task/1/')], undefined],
  ['a closed prefix with a byte beyond ASCII', [5, 0, 24, 0, 0, 0, 1, ...Buffer.from('spiffe://td/x/task/'), 0xe9], undefined],
  ['a closed prefix', [5, 0, 24, 0, 0, 0, 1, ...Buffer.from('spiffe://td/x/task/1')], { kind: 'prefix_closed', prefix: 'spiffe://td/x/task/1', minute: 1 }],
  ['type 0', [0, 0, 0], undefined],
  ['an identity that ended', [128, 0, 19, 0, 0, 0, 1, ...Buffer.from('spiffe://td/web')], { kind: 'identity_ended', id: 'spiffe://td/web', minute: 1 }],
  ['an identity that is none', [128, 0, 7, 0, 0, 0, 1, ...Buffer.from('web')], undefined],
  ['an unknown type from 129 on', [129, 0, 1, 0], { kind: 'unknown', type: 129 }],
  ['a payload that is cut off', [2, 0, 9, 1, 0, 0, 0, 1, 0, 0, 0], undefined],
  ['a payload that is too long', [2, 0, 10, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0], undefined],
  ['something after the event', [200, 0, 0, 0], undefined],
  ['shard 0', [2, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0, 1], undefined],
  ['shard 128', [2, 0, 9, 128, 0, 0, 0, 1, 0, 0, 0, 1], undefined],
  ['an index of 2^22', [2, 0, 9, 1, 0, 0, 0, 1, 0, 0x40, 0, 0], undefined],
  ['an unknown type with a payload over 4096 bytes', [200, 0x10, 0x01, ...Array.from({ length: 4097 }, () => 0)], undefined],
])('%s: %j', (_name, bytes, expected) => {
  expect(decodeEvent(Uint8Array.from(bytes))).toEqual(expected)
})

test('an event out of range is not encoded', () => {
  expect(() => encodeEvent({ kind: 'revoked', shard: 1, minute: 1, index: maxIndex + 1 })).toThrow()
  expect(() => encodeEvent({ kind: 'authority_revoked', authorityId: 'ab' })).toThrow()
  expect(() => encodeEvent({ kind: 'prefix_closed', prefix: parseSpiffeId('spiffe://td/web'), minute: 1 })).toThrow()
  expect(() => encodeEvent({ kind: 'prefix_closed', prefix: parseSpiffeId('spiffe://td/x/task/1'), minute: 2 ** 32 })).toThrow()
})

test('the chain hash does not depend on how batches are cut', () => {
  const stream = new SimStream()
  for (let index = 0; index < 5; index++) stream.append({ kind: 'revoked', shard: 1, minute: 100, index })
  const all = stream.events.reduce((hash, event) => chainHash(hash, event, sha256), emptyChainHash)
  expect(stream.hashAt(5)).toEqual(all)
})

const head = fc.record({
  epoch: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  signedAtMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  floorMinute: fc.integer({ min: 0, max: 0xffff_ffff }),
  chainHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  complete: fc.boolean(),
})

const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.tuple(head, fc.array(wideEvent, { minLength: 1, maxLength: 20 })).map(([fields, events]): Frame => ({ ...fields, kind: 'batch', events: events.map(encodeEvent) })),
  fc.tuple(head, fc.uint8Array({ minLength: 32, maxLength: 32 })).map(([fields, root]): Frame => ({ ...fields, kind: 'heartbeat', root })),
  fc.tuple(head, fc.array(anyEvent, { maxLength: 60 })).map(([fields, events]): Frame => ({ ...fields, kind: 'snapshot', part: 0, parts: 3, content: withoutFloor(setOf(events)) })),
  fc.tuple(head, fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 8 })).map(([fields, chain]): Frame => ({ ...fields, kind: 'introduction', chain })),
)

test('every frame survives its encoding', () => {
  fc.assert(
    fc.property(anyFrame, (frame) => {
      const decoded = decodeFrameBody(encodeFrameBody(frame))
      const { decoded: _events, ...rest } = { decoded: undefined, ...decoded }
      expect(rest).toEqual(frame)
    }),
  )
})

test('a frame that is cut short anywhere, or lengthened, is refused', () => {
  fc.assert(
    fc.property(anyFrame, fc.nat(), (frame, cut) => {
      const body = encodeFrameBody(frame)
      const short = decodeFrameBody(body.subarray(0, cut % body.length))
      // A snapshot's sections end with the body, so a cut between two sections leaves a shorter snapshot: the signature is what forbids it.
      if (short !== undefined) expect(short.kind).toBe('snapshot')
      expect(decodeFrameBody(Uint8Array.from([...body, 0]))).toBeUndefined()
    }),
  )
})

test('whatever bytes come, decoding does not throw, and what it accepts has one form', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.tuple(anyFrame, fc.nat(), fc.nat({ max: 255 })).map(mutated)), (bytes) => {
      openFrame(bytes)
      const frame = decodeFrameBody(bytes)
      const hasUnknown = frame?.kind === 'snapshot' || (frame?.kind === 'batch' && frame.decoded.some(({ kind }) => kind === 'unknown'))
      if (frame !== undefined && !hasUnknown) expect(encodeFrameBody(frame)).toEqual(bytes)
    }),
    { numRuns: 2_000 },
  )
})

test('a snapshot cut into parts of any size joins to the same set, and never to another', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 80 }), fc.integer({ min: 1, max: 300 }), (events, maxBytes) => {
      const set = setOf(events)
      const parts = splitSnapshot(set.snapshot(), maxBytes)
      const joined = joinParts(0, parts)
      expect(joined).toEqual(set.snapshot())
      expect([undefined, set.snapshot()]).toContainEqual(joinParts(0, [...parts].reverse()))
    }),
  )
})

function setOf(events: readonly RevocationEvent[]): RevocationSet {
  const set = new RevocationSet()
  for (const event of events) set.apply(event)
  return set
}

function withoutFloor(set: RevocationSet): Omit<ReturnType<RevocationSet['snapshot']>, 'floorMinute'> {
  const { floorMinute: _floor, ...rest } = set.snapshot()
  return rest
}

function mutated([frame, at, value]: [Frame, number, number]): Uint8Array {
  const body = encodeFrameBody(frame)
  body[at % body.length] = value
  return body
}
