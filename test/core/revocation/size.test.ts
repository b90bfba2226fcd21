import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { maxClosedPrefixes, maxIndex } from '../../../src/core/revocation/codec.ts'
import { encodeFrameBody } from '../../../src/core/revocation/frame.ts'
import { RevocationSet } from '../../../src/core/revocation/set.ts'
import { splitSnapshot } from '../../../src/core/revocation/snapshot.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'

const firstMinute = 29_000_000

function bytesOf(set: RevocationSet): number {
  const parts = splitSnapshot(set.snapshot(), 1_000_000)
  return parts.reduce((sum, content, part) => sum + encodeFrameBody({ kind: 'snapshot', epoch: 1, seq: 1, signedAtMs: 0, floorMinute: 0, chainHash: new Uint8Array(32), complete: false, part, parts: parts.length, content }).length, 0)
}

/** As random as identifiers of grants are, of one day. */
function idOf(at: number): string {
  const digits = createHash('sha256').update(`${at}`).digest('hex')
  return `0191b2${digits.slice(0, 2)}-${digits.slice(2, 6)}-7${digits.slice(6, 9)}-8${digits.slice(9, 12)}-${digits.slice(12, 24)}`
}

/** So many issued, evenly over the minutes in which they end, of which every `endedOf`th is ended, in turn superseded and revoked. */
function setOf(issued: number, minutes: number, endedOf: number): RevocationSet {
  const set = new RevocationSet()
  set.apply({ kind: 'authority_indexed', authorityId: 'aa'.repeat(32) })
  for (let at = 0; at < issued; at += endedOf) {
    set.apply({ kind: (at / endedOf) % 2 === 0 ? 'superseded' : 'revoked', shard: 1, minute: firstMinute + (Math.floor(at / endedOf) % minutes), index: Math.floor(at / minutes) })
  }
  return set
}

test('a snapshot of 100,000 live credentials, 5 % of them ended, is under 100 kB, with a thousand closed trees too; and so it is with every one ended', () => {
  const set = setOf(100_000, 15, 20)
  expect(bytesOf(set)).toBeLessThan(30_000)
  for (let at = 0; at < maxClosedPrefixes; at++) set.apply({ kind: 'prefix_closed', prefix: parseSpiffeId(`spiffe://example.org/payments/batch/task/${idOf(at)}`), minute: firstMinute })
  expect(bytesOf(set)).toBeLessThan(100_000)
  expect(bytesOf(setOf(100_000, 15, 1))).toBeLessThan(30_000)
})

test('at 1,000 issued and ended a second with a life of 300 s the set is under 100 kB', () => {
  // each in the five minutes of life and the five that a bucket is kept after
  const set = new RevocationSet()
  for (let minute = 0; minute < 11; minute++) for (let index = 0; index < 60_000; index++) set.apply({ kind: 'revoked', shard: 1, minute: firstMinute + minute, index })
  expect(bytesOf(set)).toBeLessThan(100_000)
  expect(set.figures().bitmapBytes).toBeLessThan(150_000)
})

test('at worst a bucket is a megabyte, whatever it holds, and a closed prefix as long as its ID', () => {
  const set = new RevocationSet()
  for (const kind of ['superseded', 'revoked'] as const) set.apply({ kind, shard: 1, minute: firstMinute, index: maxIndex })
  expect(bytesOf(set)).toBeLessThan(1_049_000)
  const prefixes = new RevocationSet()
  const prefix = `spiffe://example.org/a/task/`
  for (let at = 0; at < maxClosedPrefixes; at++) prefixes.apply({ kind: 'prefix_closed', prefix: parseSpiffeId(`${prefix}${String(at).padStart(2_048 - prefix.length, 'x')}`), minute: firstMinute })
  expect(bytesOf(prefixes)).toBeLessThan(2_100_000)
})
