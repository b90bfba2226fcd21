import { writeFileSync } from 'node:fs'
import { toHex } from '../../../src/core/bytes.ts'
import { chainHash, emptyChainHash, encodeEvent, type RevocationEvent } from '../../../src/core/revocation/codec.ts'
import { sealFrame, type Frame } from '../../../src/core/revocation/frame.ts'
import { encodeReport, signedReportBytes, type Report } from '../../../src/core/revocation/reports.ts'
import { RevocationSet } from '../../../src/core/revocation/set.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { splitSnapshot, type SnapshotPart } from '../../../src/core/revocation/snapshot.ts'
import { publicKeyHash, sha256 } from '../../../src/x509/fingerprint.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'

/** Writes test/vectors/revocation from the code: run it after a change of the format, and read the difference before committing it. */
const folder = new URL('../../vectors/revocation/', import.meta.url)
const key = PrivateKey.fromPkcs8(Uint8Array.from(Buffer.from(`302e020100300506032b657004220420${'42'.repeat(32)}`, 'hex')))
const keyId = publicKeyHash(key.spki)
const head = { epoch: 1_767_268_800, signedAtMs: 1_767_268_800_123, floorMinute: 29_454_475 }

const history: readonly RevocationEvent[] = [
  { kind: 'authority_indexed', authorityId: 'a1'.repeat(32) },
  { kind: 'superseded', shard: 1, minute: 29_454_500, index: 0 },
  { kind: 'revoked', shard: 1, minute: 29_454_500, index: 9 },
  { kind: 'revoked', shard: 127, minute: 29_454_495, index: 4_194_303 },
  { kind: 'authority_indexed', authorityId: '0b'.repeat(32) },
  { kind: 'authority_revoked', authorityId: 'a1'.repeat(32) },
  { kind: 'prefix_closed', prefix: parseSpiffeId('spiffe://example.org/bot/task/7f3a'), minute: 29_454_501 },
  { kind: 'prefix_closed', prefix: parseSpiffeId('spiffe://example.org/bot/task/41c0/sub/1'), minute: 29_454_499 },
]

function nameOf(event: RevocationEvent): string {
  return Object.values(event).join(' ')
}

const set = new RevocationSet()
set.dropBelow(head.floorMinute)
let hash = emptyChainHash
const chain: string[] = []
const roots: string[] = [`0 ${head.floorMinute} ${toHex(set.root(sha256))}`]
const hashes = [hash]
for (const [at, event] of history.entries()) {
  const bytes = encodeEvent(event)
  hash = chainHash(hash, bytes, sha256)
  hashes.push(hash)
  chain.push(`${at + 1} ${toHex(bytes)} ${toHex(hash)} ${nameOf(event)}`)
  set.apply(event)
  roots.push(`${at + 1} ${head.floorMinute} ${toHex(set.root(sha256))}`)
}
const seq = history.length
const small = new RevocationSet()
small.dropBelow(head.floorMinute)
for (const event of history.slice(0, 3)) small.apply(event)
const closed = RevocationSet.fromSnapshot(small.snapshot())
for (const event of history.slice(6)) closed.apply(event)
const nothing: SnapshotPart = { authorities: [], buckets: [], prefixes: [] }
const hashAt = (at: number): Uint8Array => hashes[at] ?? emptyChainHash
const frames: readonly (readonly [string, Frame])[] = [
  ['batch of events 1 to 3', { ...head, kind: 'batch', seq: 1, chainHash: hashAt(0), complete: false, events: history.slice(0, 3).map(encodeEvent) }],
  ['batch of events 4 to 8, complete', { ...head, kind: 'batch', seq: 4, chainHash: hashAt(3), complete: true, events: history.slice(3).map(encodeEvent) }],
  ['heartbeat at 8', { ...head, kind: 'heartbeat', seq, chainHash: hashAt(seq), complete: true, root: set.root(sha256) }],
  ['snapshot at 3 in one part', { ...head, kind: 'snapshot', seq: 3, chainHash: hashAt(3), complete: true, part: 0, parts: 1, content: splitSnapshot(small.snapshot(), 1_000_000)[0] ?? nothing }],
  ['snapshot with the closed prefixes of events 7 and 8, and no more than events 1 to 3 beside them', { ...head, kind: 'snapshot', seq, chainHash: hashAt(seq), complete: true, part: 0, parts: 1, content: splitSnapshot(closed.snapshot(), 1_000_000)[0] ?? nothing }],
  ['snapshot at 0, empty', { ...head, kind: 'snapshot', seq: 0, chainHash: hashAt(0), complete: true, part: 0, parts: 1, content: nothing }],
  ['introduction of a certificate (here three bytes)', { ...head, kind: 'introduction', seq, chainHash: hashAt(seq), complete: false, chain: [Uint8Array.of(0x30, 0x01, 0x00)] }],
  ['time, for two nonces', { ...head, kind: 'time', seq, chainHash: hashAt(seq), complete: false, nonces: [new Uint8Array(16).fill(0x11), new Uint8Array(16).fill(0x22)] }],
]
const sealed = frames.map(([name, frame]) => ({ name, bytes: sealFrame(frame, keyId, (bytes) => key.sign(bytes)) }))

writeFileSync(new URL('chain.txt', folder), ['# seq, event, chain hash after it, what it says', ...chain, ''].join('\n'))
writeFileSync(new URL('roots.txt', folder), ['# seq in chain.txt, floor, root of the set after that event', ...roots, ''].join('\n'))
writeFileSync(new URL('key.txt', folder), ['# the key of frames.txt: Ed25519 seed, SubjectPublicKeyInfo, key id', '42'.repeat(32), toHex(key.spki), toHex(keyId), ''].join('\n'))
writeFileSync(new URL('frames.txt', folder), ['# frame, what it is', ...sealed.map(({ name, bytes }) => `${toHex(bytes)} ${name}`), ''].join('\n'))

const body = (at: number): Uint8Array => (sealed[at]?.bytes ?? new Uint8Array(96)).slice(0, -96)
function changed(at: number, offset: number, value: number): string {
  const bytes = body(at)
  bytes[offset] = value
  return toHex(bytes)
}
function replaced(at: number, text: string, by: string): string {
  return toHex(body(at)).replace(Buffer.from(text).toString('hex'), Buffer.from(by).toString('hex'))
}
writeFileSync(
  new URL('refused.txt', folder),
  [
    '# bodies of frames (without key id and signature) that must be refused, and why',
    `${changed(2, 0, 6)} a kind that does not exist`,
    `${changed(2, 1, 2)} another version`,
    `${changed(2, 2, 2)} a flag that does not exist`,
    `${changed(2, 3, 0x20)} an epoch over 2^53 - 1`,
    `${toHex(body(2))}00 something after the heartbeat`,
    `${toHex(body(2).slice(0, -1))} a root cut short`,
    `${changed(0, 64, 2)} fewer events counted than there are`,
    `${changed(0, 64, 4)} more events counted than there are`,
    `${changed(0, 65, 127)} an unknown event type below 128`,
    changed(0, 18, 0).replace(/^(.{22}).{16}/, `$1${'00'.repeat(8)}`) + ' a batch that begins at event 0',
    `${replaced(1, '/task/', '/tusk/')} a closed prefix that is not the ID of a grant`,
    `${replaced(4, '7f3a', '3f3a')} closed prefixes that are not in ascending order`,
    `${replaced(4, '7f3a', '4f3a')} closed prefixes that share more than they say`,
    `${changed(3, 66, 0)} no parts at all`,
    `${changed(3, 64, 1)} a part beyond the last`,
    `${changed(3, 67, 127)} an unknown section below 128`,
    `${changed(7, 63, 0)} a time for no nonce`,
    `${changed(7, 63, 65)} a time for more nonces than 64`,
    `${changed(7, 63, 3)} a time that lacks a nonce`,
    '',
  ].join('\n'),
)

const instance = new Uint8Array(16).fill(0x33)
const reports: readonly (readonly [string, Report])[] = [
  ['registration of a strict verifier, software "example 1.0"', { kind: 'registration', instance, number: 1_767_268_800_000_001, class: 'strict', software: 'example 1.0' }],
  ['receipt for 8 of chain.txt, held for 120 ms', { kind: 'receipt', instance, number: 1_767_268_800_000_002, epoch: head.epoch, seq, floorMinute: head.floorMinute, heldMs: 120, root: set.root(sha256) }],
  ['uses: one credential accepted three times', { kind: 'uses', instance, number: 1_767_268_800_000_003, uses: [{ serial: Uint8Array.from({ length: 17 }, (_, at) => at + 1), firstMs: head.signedAtMs, lastMs: head.signedAtMs + 5_000, count: 3 }] }],
  ['refusals: one credential refused once, because it had been superseded or revoked', { kind: 'refusals', instance, number: 1_767_268_800_000_004, refusals: [{ serial: Uint8Array.from({ length: 17 }, (_, at) => at + 1), firstMs: head.signedAtMs + 9_000, lastMs: head.signedAtMs + 9_000, count: 1 }] }],
]
writeFileSync(
  new URL('reports.txt', folder),
  ['# body of a report, signature over it by the key of key.txt, what it is', ...reports.map(([name, report]) => `${toHex(encodeReport(report))} ${toHex(key.sign(signedReportBytes(encodeReport(report))))} ${name}`), ''].join('\n'),
)
