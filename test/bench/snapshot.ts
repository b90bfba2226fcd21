import { createHash } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { snapshotFrame, splitState, type StreamState } from '../../server/revocation/frames.ts'
import type { StreamSigningKey } from '../../server/revocation/stream-signer.ts'
import { decodeFrameBody, openFrame, signedBytes } from '../../src/core/revocation/frame.ts'
import { RevocationSet } from '../../src/core/revocation/set.ts'
import { joinParts, type SnapshotPart } from '../../src/core/revocation/snapshot.ts'
import { parseSpiffeId } from '../../src/core/spiffe-id.ts'
import { sha256 } from '../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { keyKindOf, importPublicKey } from '../../src/x509/spki.ts'
import { verifyPlain } from '../../src/x509/signature.ts'
import { percentile, type Figure, type Report } from './figure.ts'

const authorityId = 'ab'.repeat(32)
const firstMinute = 29_000_000
const rounds = 20
const signer = PrivateKey.generate('Ed25519')
const signing: StreamSigningKey = { keyId: sha256(signer.spki), chain: [], notBeforeMs: 0, notAfterMs: Number.MAX_SAFE_INTEGER, sign: (bytes) => signer.sign(bytes) }

interface Shape {
  readonly id: string
  readonly live: number
  readonly minutes: number
  /** One in so many is ended, in turn superseded and revoked. */
  readonly endedOf: number
  readonly prefixes: number
}

const shapes: readonly Shape[] = [
  { id: '100k', live: 100_000, minutes: 15, endedOf: 20, prefixes: 0 },
  { id: '100k_prefixes', live: 100_000, minutes: 15, endedOf: 20, prefixes: 1_000 },
  { id: '1m', live: 1_000_000, minutes: 15, endedOf: 2, prefixes: 0 },
  { id: '16m', live: 16_000_000, minutes: 60, endedOf: 2, prefixes: 0 },
]

/** A snapshot of the whole set: how long the server takes to make and sign it, how long a verifier to check it and take it in, and what the set takes of memory. */
export async function bench(): Promise<Report> {
  const figures = shapes.flatMap(figuresOf)
  return Promise.resolve({ name: 'snapshot', figures })
}

function figuresOf(shape: Shape): Figure[] {
  setOf(shape) // so that code that is made for it is not counted
  const before = heldBytes()
  const set = setOf(shape)
  const held = heldBytes() - before
  const state: StreamState = { head: { epoch: 1, seq: 1, chainHash: new Uint8Array(32) }, set }
  const builds: number[] = []
  const loads: number[] = []
  const roots: number[] = []
  const hashes: number[] = []
  let bytes = 0
  let parts = 0
  for (let round = 0; round < rounds; round++) {
    const startMs = spentMs()
    const frames = framesOf(state)
    builds.push(spentMs() - startMs)
    const loadMs = spentMs()
    const copy = loaded(frames)
    loads.push(spentMs() - loadMs)
    const rootMs = spentMs()
    copy.root(sha256)
    roots.push(spentMs() - rootMs)
    const hashMs = spentMs()
    for (const frame of frames) createHash('sha256').update(frame).digest()
    hashes.push(spentMs() - hashMs)
    bytes = frames.reduce((sum, { length }) => sum + length, 0)
    parts = frames.length
  }
  const limit = { value: percentile(hashes, 0.5), unit: 'ms', of: 'SHA-256 of as many bytes by node:crypto' }
  const of = `${shape.live} live over ${shape.minutes} minutes, one in ${shape.endedOf} ended, ${shape.prefixes} closed prefixes`
  return [
    { id: `snapshot.${shape.id}.bytes`, value: bytes, unit: 'B', ...(shape.live === 100_000 ? { goal: '<= 100000' } : {}), note: `${of}; ${parts} parts` },
    { id: `snapshot.${shape.id}.build_ms`, value: percentile(builds, 0.5), unit: 'ms', limit, note: `CPU: copied, encoded, signed; the slowest of ${rounds}: ${Math.max(...builds).toFixed(1)} ms; one part in a turn of the event loop` },
    { id: `snapshot.${shape.id}.load_ms`, value: percentile(loads, 0.5), unit: 'ms', limit, note: `CPU: signatures checked, decoded, taken in; then its root ${percentile(roots, 0.5).toFixed(2)} ms` },
    { id: `snapshot.${shape.id}.set_bytes`, value: held, unit: 'B', note: `memory of the set, of which ${set.figures().bitmapBytes} B are bitmaps` },
  ]
}

function setOf({ live, minutes, endedOf, prefixes }: Shape): RevocationSet {
  const set = new RevocationSet()
  set.apply({ kind: 'authority_indexed', authorityId })
  for (let at = 0; at < live; at += endedOf) {
    set.apply({ kind: (at / endedOf) % 2 === 0 ? 'superseded' : 'revoked', shard: 1, minute: firstMinute + (Math.floor(at / endedOf) % minutes), index: Math.floor(at / minutes) })
  }
  for (let at = 0; at < prefixes; at++) {
    set.apply({ kind: 'prefix_closed', prefix: parseSpiffeId(`spiffe://example.org/payments/batch/task/${idOf(at)}`), minute: firstMinute + minutes })
  }
  return set
}

/** As random as identifiers of grants are, of one day. */
function idOf(at: number): string {
  const digits = createHash('sha256').update(`${at}`).digest('hex')
  return `0191b2${digits.slice(0, 2)}-${digits.slice(2, 6)}-7${digits.slice(6, 9)}-8${digits.slice(9, 12)}-${digits.slice(12, 24)}`
}

function framesOf(state: StreamState): readonly Uint8Array[] {
  const parts = splitState(state)
  return parts.map((content, part) => snapshotFrame({ head: state.head, floorMinute: state.set.floorMinute }, 1, { part, parts: parts.length, content }, signing).bytes)
}

function loaded(frames: readonly Uint8Array[]): RevocationSet {
  const kind = keyKindOf(signer.spki)
  const key = importPublicKey(signer.spki)
  const parts = frames.map((bytes): SnapshotPart => {
    const opened = openFrame(bytes)
    const frame = opened === undefined ? undefined : decodeFrameBody(opened.body)
    if (opened === undefined || kind === undefined || frame?.kind !== 'snapshot' || !verifyPlain(key, kind, signedBytes(opened.body, opened.keyId), opened.signature)) throw new Error('a frame is not what was sealed')
    return frame.content
  })
  const content = joinParts(0, parts)
  if (content === undefined) throw new Error('the parts do not join')
  return RevocationSet.fromSnapshot(content)
}

/** CPU time of this process, which other work on the machine does not lengthen. */
function spentMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

function heldBytes(): number {
  for (let at = 0; at < 3; at++) collect() // what a collection found to be free is given back by the next
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void // the flag before it puts it there
