import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { VerifiedSignatures } from '../../src/verify/verified-signatures.ts'
import { RevocationReader } from '../../src/verify/reader.ts'
import { BundleSet } from '../../src/verify/bundle-set.ts'
import { publicKeyHash } from '../../src/x509/fingerprint.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { SignedSimStream } from '../support/revocation/signed-sim-stream.ts'
import { authority, nowMs, trustDomain } from '../support/verify/certificates.ts'

interface Signer {
  readonly keyId: Uint8Array
  readonly key: KeyObject
  readonly sign: (bytes: Uint8Array) => Uint8Array
}

const signers = [signer(), signer()] as const
let signatures: VerifiedSignatures

beforeEach(() => {
  signatures = new VerifiedSignatures(8)
})

test('a signature that was good is not verified again', () => {
  const [one] = signers
  const bytes = Buffer.from('a heartbeat')
  expect(signatures.verify(one, bytes, one.sign(bytes))).toBe(true)
  expect(signatures.verify(one, Uint8Array.from(bytes), one.sign(bytes))).toBe(true)
  expect(signatures.verifications).toBe(1)
})

test('one that was bad is remembered by nobody', () => {
  const [one, other] = signers
  const bytes = Buffer.from('a heartbeat')
  for (let at = 0; at < 2; at++) expect(signatures.verify(one, bytes, other.sign(bytes))).toBe(false)
  expect(signatures.verifications).toBe(2)
  expect(signatures.size).toBe(0)
})

test('so many are remembered and no more, the newest', () => {
  const [one] = signers
  const all = Array.from({ length: 20 }, (_, at) => Buffer.from([at]))
  for (const bytes of all) signatures.verify(one, bytes, one.sign(bytes))
  expect(signatures.size).toBe(8)
  for (const bytes of all.slice(-8)) signatures.verify(one, bytes, one.sign(bytes))
  expect(signatures.verifications).toBe(20)
})

test('key ids and signatures of another length are refused: the parts of what is remembered cannot be shifted', () => {
  const [one] = signers
  const bytes = Buffer.from('a heartbeat')
  const signature = one.sign(bytes)
  signatures.verify(one, bytes, signature)
  expect(signatures.verify({ keyId: Buffer.concat([one.keyId, signature.subarray(0, 1)]), key: one.key }, bytes, signature.subarray(1))).toBe(false)
  expect(signatures.verify(one, bytes.subarray(1), Buffer.concat([signature, bytes.subarray(0, 1)]))).toBe(false)
})

test('whatever was verified before, it says of any bytes, signature and key what OpenSSL says', () => {
  const part = fc.constantFrom('bytes', 'signature', 'key', 'nothing')
  const message = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(fc.array(fc.record({ message, by: fc.nat({ max: 1 }), spoilt: part, bit: fc.nat() }), { minLength: 1, maxLength: 12 }), (asked) => {
      const shared = new VerifiedSignatures(4)
      for (const { message: bytes, by, spoilt, bit } of asked) {
        const own = by === 0 ? signers[0] : signers[1]
        const signature = own.sign(bytes)
        shared.verify(own, bytes, signature)
        const shown = spoilt === 'bytes' ? flipped(bytes, bit) : bytes
        const said = spoilt === 'signature' ? flipped(signature, bit) : signature
        const key = spoilt === 'key' ? (by === 0 ? signers[1] : signers[0]) : own
        for (let time = 0; time < 2; time++) expect(shared.verify(key, shown, said)).toBe(verify(null, shown, key.key, said))
      }
    }),
    { numRuns: 300 },
  )
})

test('readers that share it verify a frame once between them, and refuse what another relay changed in it', () => {
  const ca = authority('root')
  const anchors = BundleSet.of({ trustDomain, x509Authorities: [ca.der] }).authoritiesOf(trustDomain)
  const stream = new SignedSimStream(ca)
  const readers = Array.from({ length: 50 }, () => new RevocationReader({ clock: new FakeClock(nowMs), anchors: () => anchors, signatures }))
  const [snapshot] = stream.snapshots()
  for (const reader of readers) expect(snapshot === undefined ? '' : reader.accept(snapshot).kind).toBe('replaced')
  expect(signatures.verifications).toBe(1)
  const heartbeat = { frame: stream.heartbeat(0, nowMs), signerChain: [] }
  const [first, ...others] = readers
  expect(first?.accept(heartbeat).kind).toBe('confirmed')
  for (let bit = 0; bit < heartbeat.frame.length * 8; bit += 37) {
    const reader = others[bit % others.length]
    expect(reader?.accept({ ...heartbeat, frame: flipped(heartbeat.frame, bit) }).kind).toBe('forged')
  }
})

test('a key that its reader does not trust is refused, although another reader of this process has verified that very frame', () => {
  const ca = authority('root')
  const stream = new SignedSimStream(ca)
  const bundles = [ca, authority('another')].map(({ der }) => BundleSet.of({ trustDomain, x509Authorities: [der] }).authoritiesOf(trustDomain))
  const [trusting, other] = bundles.map((anchors) => new RevocationReader({ clock: new FakeClock(nowMs), anchors: () => anchors, signatures }))
  for (const message of stream.snapshots()) {
    expect(trusting?.accept(message).kind).toBe('replaced')
    expect(other?.accept(message).kind).toBe('signer_refused')
    expect(other?.accept({ ...message, signerChain: [] }).kind).toBe('forged')
  }
})

function signer(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return { keyId: publicKeyHash(publicKey.export({ type: 'spki', format: 'der' })), key: publicKey, sign: (bytes) => sign(null, bytes, privateKey) }
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const at = Math.floor(bit / 8) % Math.max(1, copy.length)
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit % 8))
  return copy
}
