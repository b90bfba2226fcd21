import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { keyTypes } from '../../../src/core/key-type.ts'
import { parseSpiffeId } from '../../../src/core/spiffe-id.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { exactly } from '../../../src/verify/authorize.ts'
import { BundleSet } from '../../../src/verify/bundle-set.ts'
import { revocationUnchecked } from '../../../src/verify/checker.ts'
import { verifyX509Svid } from '../../../src/verify/verify-svid.ts'
import { verifyChain } from '../../support/openssl.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { startServer, trustDomain } from '../../support/server/test-server.ts'

const spiffeId = parseSpiffeId('spiffe://example.org/web')

describe('an authority of each type', () => {
  for (const keyType of keyTypes) {
    test(`${keyType}: signs leaves of each type, a stream and a list, which our verifier and openssl take`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mf-'))
      onTestFinished(() => rmSync(folder, { recursive: true }))
      const { admin, join: joinAgent, log } = await startServer({ config: { keyType, crl: { listen: undefined, directory: join(folder, 'crl'), reload: [] } } })
      const { x509Authorities } = await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})
      const roots = x509Authorities.map(({ asn1 }) => asn1)
      writeFileSync(join(folder, 'roots.pem'), encodeCertificatesPem(roots))
      for (const leafType of keyType === 'ec-p256' ? keyTypes.slice(0, 3) : (['ec-p256'] as const)) {
        const key = await PrivateKey.create(leafType)
        const { svid } = await admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: [spiffeId] })) })
        const chain = svid?.certChain ?? []
        expect(verifyX509Svid(chain, { bundles: BundleSet.of({ trustDomain, x509Authorities: roots }), allow: exactly(spiffeId), revocation: revocationUnchecked, nowMs: systemClock.nowMs() }).kind).toBe('accepted')
        expect(verifyChain(folder, roots, chain, join(folder, 'crl/crl.pem'))).toBe('OK')
      }
      expect((await joinAgent()).id).toContain('/spire/agent/join_token/')
      expect(log.facts.map(({ event }) => event)).toContain('revocation.signer_changed')
    })
  }
})

describe('keys that are too weak, or of kinds that nobody asked for', () => {
  const rsa = (modulusLength: number, publicExponent = 65_537): KeyObject => generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey
  const cases: readonly [string, () => KeyObject][] = [
    ['RSA of 1024 bits', () => rsa(1024)],
    ['RSA with the exponent 3', () => rsa(2048, 3)],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey],
    ['secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey],
    ['Ed25519', () => generateKeyPairSync('ed25519').privateKey],
  ]
  test('are refused as CSR_INVALID', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mf-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const { admin } = await startServer()
    for (const [what, make] of cases) {
      writeFileSync(join(folder, 'key.pem'), make().export({ type: 'pkcs8', format: 'pem' }))
      const { stdout: csr, stderr } = spawnSync('openssl', ['req', '-new', '-key', join(folder, 'key.pem'), '-subj', '/', '-addext', `subjectAltName=URI:${spiffeId}`, '-outform', 'DER'])
      expect(csr.length, String(stderr)).toBeGreaterThan(100)
      await expect(admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr }), what).rejects.toMatchObject({ code: 'CSR_INVALID' })
    }
  })
})
