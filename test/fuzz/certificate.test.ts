import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { expect } from 'vitest'
import { derOid } from '../../src/core/der/oid.ts'
import { derBitString, derSequence } from '../../src/core/der/writer.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { BundleSet, revocationUnchecked, verifyX509Svid, type Verdict } from '../../src/verify/index.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { oid } from '../../src/x509/oids.ts'
import type { PrivateKey } from '../../src/x509/private-key.ts'
import { byteEdits, derEdits, editBytes, editDer, partsOf, type ByteEdit, type DerEdit } from '../support/fuzz/der.ts'
import { fuzz, hexForm, hexLinesForm } from '../support/fuzz/fuzz.ts'
import { fixedKeys } from '../support/fuzz/keys.ts'
import { authority, leaf, nowMs, trustDomain } from '../support/verify/certificates.ts'

const [rootKey, middleKey, strangeKey, key] = fixedKeys
const root = authority('root', { key: rootKey })
const middle = authority('middle', { key: middleKey }, root)
const stranger = authority('root', { key: strangeKey })
const leaves = { direct: leaf(root, { key }), below: leaf(middle, { key }), strange: leaf(stranger, { key }) }
const originals = [leaves.direct, leaves.below, leaves.strange, middle, root, stranger].map(({ der }) => der)
const bundles = BundleSet.of({ trustDomain, x509Authorities: [root.der] })

interface Mutation {
  readonly edits: readonly DerEdit[]
  readonly bytes: readonly ByteEdit[]
}

const mutation = fc.record({ edits: fc.oneof(fc.constant([]), derEdits), bytes: byteEdits })

function mutant(der: Uint8Array, { edits, bytes }: Mutation, signer?: PrivateKey): Uint8Array {
  const edited = signer === undefined ? editDer(der, edits) : signedBy(signer, editDer(partsOf(der)[0] ?? der, edits))
  return editBytes(edited, bytes)
}

function signedBy(signer: PrivateKey, tbs: Uint8Array): Uint8Array {
  return derSequence(tbs, derSequence(derOid(oid.ecdsaWithSha256)), derBitString(signer.sign(tbs)))
}

function verdictOf(chain: readonly Uint8Array[]): Verdict {
  return verifyX509Svid(chain, { bundles, allow: () => true, revocation: revocationUnchecked, nowMs })
}

/** `undefined` when OpenSSL does not take it for a certificate at all: then the two do not disagree on what it says. */
function openSslOf(der: Uint8Array | undefined): X509Certificate | undefined {
  try {
    return new X509Certificate(Buffer.from(der ?? []))
  } catch {
    return undefined
  }
}

const certificates = fc
  .record({ original: fc.nat(originals.length - 1), mutation })
  .map((input) => mutant(originals[input.original] ?? root.der, input.mutation))

fuzz('certificate', 'no certificate makes the parser throw anything but a code, and what it reads is in the bytes', hexForm, certificates, (der) => {
  let certificate
  try {
    certificate = parseCertificate(der)
  } catch (error) {
    expect(error).toBeInstanceOf(MayflyError)
    expect(['CERTIFICATE_INVALID', 'DER_INVALID']).toContain(error instanceof MayflyError ? error.code : '')
    return
  }
  const bytes = Buffer.from(der)
  for (const part of [certificate.tbs, certificate.signature, certificate.spki, certificate.issuer, certificate.subject]) expect(bytes.includes(Buffer.from(part))).toBe(true)
  expect(certificate.serial.length).toBeLessThanOrEqual(20)
  expect(Number.isSafeInteger(certificate.notAfterMs) && Number.isSafeInteger(certificate.notBeforeMs)).toBe(true)
})

/** A chain of which any certificate may be changed, without being signed again. */
const forgedChains = fc
  .record({ shape: fc.constantFrom('direct' as const, 'below' as const, 'strange' as const), changes: fc.tuple(mutation, mutation), extra: fc.option(mutation, { nil: undefined }) })
  .map(({ shape, changes: [first, second], extra }) => [
    mutant(leaves[shape].der, first),
    ...(shape === 'below' ? [mutant(middle.der, second)] : []),
    ...(extra === undefined ? [] : [mutant(stranger.der, extra)]),
  ])

fuzz('chain-forged', 'a chain is accepted only when every byte that a signature is over is as it was signed', hexLinesForm, forgedChains, (chain) => {
  const verdict = verdictOf(chain)
  if (verdict.kind !== 'accepted') return
  const signed = partsOf(chain[0] ?? new Uint8Array(0))[0] ?? new Uint8Array(0)
  expect([leaves.direct, leaves.below].some(({ der }) => Buffer.from(partsOf(der)[0] ?? []).equals(signed))).toBe(true)
  expect(verdict.id).toBe('spiffe://example.org/web')
})

/** A leaf that the authority did sign, changed before: what a faulty issuer of the trust domain might let out. */
const signedLeaves = fc.record({ edits: derEdits, bytes: byteEdits }).map((change) => [mutant(leaves.direct.der, change, root.key)])

fuzz('chain-signed', 'whatever an authority signed, the verdict does not throw, and what is accepted says the same to OpenSSL', hexLinesForm, signedLeaves, (chain) => {
  const verdict = verdictOf(chain)
  if (verdict.kind !== 'accepted') return
  const seen = openSslOf(chain[0])
  if (seen === undefined) return
  const names = (seen.subjectAltName ?? '').split(', ')
  expect(names.filter((name) => name.startsWith('URI:'))).toEqual([`URI:${verdict.id}`])
  expect(seen.ca).toBe(false)
  expect(BigInt(`0x${seen.serialNumber}`)).toBe(BigInt(`0x${verdict.serial}`))
  expect(seen.validToDate.getTime()).toBe(verdict.notAfterMs)
  expect(seen.validFromDate.getTime()).toBeLessThanOrEqual(nowMs)
  expect(seen.validToDate.getTime()).toBeGreaterThanOrEqual(nowMs)
  expect(seen.verify(new X509Certificate(Buffer.from(root.der)).publicKey)).toBe(true)
})

/** An intermediate of which the same is true: its leaf is valid under its key. */
const signedAuthorities = fc.record({ edits: derEdits, bytes: fc.constant([]) }).map((change) => [leaves.below.der, mutant(middle.der, change, root.key)])

fuzz('authority-signed', 'a leaf under a changed intermediate is accepted only when that says that it is an authority, and OpenSSL verifies its signature', hexLinesForm, signedAuthorities, (chain) => {
  const verdict = verdictOf(chain)
  if (verdict.kind !== 'accepted') return
  const issuer = openSslOf(chain[1])
  if (issuer === undefined) return
  expect(saysAuthority(chain[1])).toBe(true)
  const child = new X509Certificate(Buffer.from(leaves.below.der))
  expect(child.verify(issuer.publicKey)).toBe(true)
  expect(issuer.validToDate.getTime()).toBeGreaterThanOrEqual(nowMs)
})

/** The bytes of the two extensions as DER has them, with cA and with keyCertSign. */
function saysAuthority(der: Uint8Array | undefined): boolean {
  const hex = Buffer.from(der ?? []).toString('hex')
  const usages = [...hex.matchAll(/0603551d0f0101ff040[45]030[23]0[0-7]([0-9a-f]{2})/g)]
  return /0603551d13(0101ff)?04..30..0101ff/.test(hex) && usages.some(([, usage = '00']) => (Number.parseInt(usage, 16) & 0x04) !== 0)
}
