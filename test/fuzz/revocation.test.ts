import fc from 'fast-check'
import { expect } from 'vitest'
import { concatBytes } from '../../src/core/bytes.ts'
import { decodeFrameBody, encodeFrameBody, openFrame, signedBytes, type DecodedFrame } from '../../src/core/revocation/frame.ts'
import { byteEdits, editBytes } from '../support/fuzz/der.ts'
import { fuzz, hexForm, hexLinesForm } from '../support/fuzz/fuzz.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'
import { sha256, SimStream, toyFollower, toyKeyId, toySign } from '../support/revocation/sim-stream.ts'
import { authority } from '../support/verify/certificates.ts'

const t0 = 1_000_000
const stream = new SimStream(5)
stream.append({ kind: 'authority_indexed', authorityId: 'aa'.repeat(32) })
for (let index = 0; index < 12; index++) stream.append({ kind: index % 3 === 0 ? 'superseded' : 'revoked', shard: 1 + (index % 3), minute: 100 + (index % 4), index: index * 3 })
stream.appendBytes(Uint8Array.of(200, 0, 2, 1, 1))
stream.append({ kind: 'authority_revoked', authorityId: 'bb'.repeat(32) })
const last = stream.events.length
const head = { epoch: 5, seq: last, chainHash: stream.hashAt(last), signedAtMs: t0, floorMinute: 0, complete: true }
const introduction = stream.seal({ ...head, kind: 'introduction', chain: [authority('stream', { key: fixedKeys[0] }).der] })
const frames = [stream.batch(1, last, t0, true), stream.batch(5, 9, t0 + 5), stream.batch(last, last, t0 + 9, true), stream.heartbeat(last, t0 + 10), stream.heartbeat(3, t0 - 10), ...stream.snapshot(last, t0), ...stream.snapshot(last, t0 + 1, 60), ...stream.snapshot(8, t0 - 1), introduction]

const u64 = fc.constantFrom(0n, 1n, 2n, BigInt(last), BigInt(last) + 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n)
/** Real frames with their head's fields replaced, bits flipped, cut and lengthened; sealed again or not. */
const mutants = fc
  .record({
    frame: fc.nat(frames.length - 1),
    numbers: fc.array(fc.tuple(fc.constantFrom(3, 11, 19, 27, 63, 65), u64), { maxLength: 2 }),
    flips: fc.array(fc.nat(5_000), { maxLength: 4 }),
    bytes: byteEdits,
    sealed: fc.boolean(),
  })
  .map(({ frame, numbers, flips, bytes, sealed }) => {
    const original = frames[frame] ?? introduction
    const body = (sealed ? original.subarray(0, -96) : original).slice()
    const view = new DataView(body.buffer)
    for (const [at, value] of numbers) if (at + 8 <= body.length) view.setBigUint64(at, value)
    for (const flip of flips) body[(flip >> 3) % body.length] = (body[(flip >> 3) % body.length] ?? 0) ^ (1 << (flip & 7))
    const edited = editBytes(body, bytes)
    return sealed ? concatBytes(edited, toyKeyId, toySign(signedBytes(edited, toyKeyId))) : edited
  })

fuzz('revocation-frame', 'a frame says the same when it is written again, or is not read', hexForm, fc.oneof({ arbitrary: mutants, weight: 5 }, fc.uint8Array({ maxLength: 300 })), (bytes) => {
  const opened = openFrame(bytes)
  const decoded = opened === undefined ? undefined : decodeFrameBody(opened.body)
  if (opened === undefined || decoded === undefined) return
  const again = encodeFrameBody(decoded)
  // A snapshot may have had sections of a later version, which are passed over.
  if (decoded.kind === 'snapshot') expect(decodeFrameBody(again)).toEqual(decoded)
  else expect(Buffer.from(again).toString('hex')).toBe(Buffer.from(opened.body).toString('hex'))
})

/** Any mix of real and changed frames, in any order. */
const deliveries = fc.array(fc.oneof({ arbitrary: fc.constantFrom(...frames), weight: 2 }, mutants), { maxLength: 12 })

fuzz('revocation-follower', 'whatever frames come, a reader does not throw, never goes back, never forgets within an epoch, and acts on signed ones alone', hexLinesForm, deliveries, (delivered) => {
  const follower = toyFollower()
  for (const bytes of delivered) {
    const before = { set: follower.set, root: Buffer.from(follower.set.root(sha256)).toString('hex'), highest: follower.highest }
    const outcome = follower.receive(bytes, { nowMs: t0 + 20, bootMs: 20 })
    const after = Buffer.from(follower.set.root(sha256)).toString('hex')
    const body: DecodedFrame | undefined = outcome.kind === 'forged' ? undefined : decodeFrameBody(bytes.subarray(0, -96))
    if (outcome.kind === 'applied' || outcome.kind === 'replaced') expect(Buffer.from(toySign(signedBytes(bytes.subarray(0, -96), toyKeyId))).equals(bytes.subarray(-64))).toBe(true)
    else if (outcome.kind !== 'confirmed' && outcome.kind !== 'duplicate' && outcome.kind !== 'gap') expect(after).toBe(before.root)
    const { highest } = follower
    if (before.highest !== undefined) {
      expect(highest).toBeDefined()
      expect((highest?.epoch ?? 0) > before.highest.epoch || ((highest?.epoch ?? 0) === before.highest.epoch && (highest?.seq ?? 0) >= before.highest.seq)).toBe(true)
    }
    if (outcome.kind === 'replaced' && before.highest !== undefined && body?.epoch === before.highest.epoch) {
      before.set.dropBelow(follower.set.floorMinute)
      expect(follower.set.includes(before.set)).toBe(true)
    }
  }
})
