import { expect, test } from 'vitest'
import { maxIndex } from '../../../src/core/revocation/codec.ts'
import { decodeFrameBody, openFrame } from '../../../src/core/revocation/frame.ts'
import { RevocationSet } from '../../../src/core/revocation/set.ts'
import { joinParts, type SnapshotPart } from '../../../src/core/revocation/snapshot.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { sha256 } from '../../../src/x509/fingerprint.ts'
import type { StreamState } from '../../../server/revocation/frames.ts'
import { Snapshots, type Snapshot } from '../../../server/revocation/snapshots.ts'
import type { StreamSigningKey } from '../../../server/revocation/stream-signer.ts'
import { KeptLog } from '../../support/agent/quiet.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const key: StreamSigningKey = { keyId: new Uint8Array(32), chain: [], notBeforeMs: 0, notAfterMs: 1, sign: () => new Uint8Array(64) }

function stateOf(seq: number, set: RevocationSet): StreamState {
  return { head: { epoch: 1, seq, chainHash: new Uint8Array(32) }, set }
}

function contentOf({ frames }: Snapshot): ReturnType<typeof joinParts> {
  const parts = frames.flatMap(({ bytes }): SnapshotPart[] => {
    const frame = decodeFrameBody(openFrame(bytes)?.body ?? new Uint8Array(0))
    return frame?.kind === 'snapshot' ? [frame.content] : []
  })
  return joinParts(0, parts)
}

/** Twelve bitmaps of half a megabyte. */
function largeSet(): RevocationSet {
  const set = new RevocationSet()
  for (let minute = 100; minute < 106; minute++) for (const kind of ['revoked', 'superseded'] as const) set.apply({ kind, shard: 1, minute, index: maxIndex })
  return set
}

test('a snapshot is made once for all who ask at the same time, named by the root of its set, and does not change with it', async () => {
  const snapshots = new Snapshots({ clock: new FakeClock(), logger: new KeptLog() })
  const set = largeSet()
  const name = toHex(set.root(sha256))
  const state = stateOf(12, set)
  expect(snapshots.serving(state, key)).toBeUndefined()
  let turns = 0
  let isCounting = true
  const count = (): void => {
    turns += 1
    if (isCounting) setImmediate(count)
  }
  setImmediate(count)
  const made = Promise.all([snapshots.made(state, key), snapshots.made(state, key), snapshots.made(stateOf(13, set), key)])
  set.apply({ kind: 'revoked', shard: 1, minute: 100, index: 0 })
  await made
  isCounting = false
  const snapshot = snapshots.serving(state, key)
  if (snapshot === undefined) throw new Error('none was made')
  expect(snapshot.name).toBe(name)
  expect(snapshot.head.seq).toBe(12)
  expect(snapshot.frames.length).toBeGreaterThanOrEqual(6)
  const content = contentOf(snapshot)
  if (content === undefined) throw new Error('the parts do not join')
  expect(toHex(RevocationSet.fromSnapshot(content).root(sha256))).toBe(name)
  expect(turns).toBeGreaterThanOrEqual(snapshot.frames.length - 1) // others had theirs between the parts
})

test('it serves its own head for as long as that stands, any later one for a second, and no other key', async () => {
  const clock = new FakeClock()
  const snapshots = new Snapshots({ clock, logger: new KeptLog() })
  const set = new RevocationSet()
  await snapshots.made(stateOf(1, set), key)
  const first = snapshots.serving(stateOf(1, set), key)
  expect(first).toBeDefined()
  expect(snapshots.serving(stateOf(1, set), { ...key })).toBeUndefined()
  await clock.advance(1_000)
  expect(snapshots.serving(stateOf(2, set), key)).toBe(first)
  await clock.advance(1)
  expect(snapshots.serving(stateOf(1, set), key)).toBe(first)
  expect(snapshots.serving(stateOf(2, set), key)).toBeUndefined()
  set.dropBelow(5)
  expect(snapshots.serving(stateOf(1, set), key)).toBeUndefined()
})
