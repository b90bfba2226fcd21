import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { generateHierarchy } from '../../../certs/generate.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { startServer, trustDomain, type TestServer } from '../../support/server/test-server.ts'

const service = 'spire.api.server.localauthority.v1.LocalAuthority'

async function below(): Promise<TestServer & { readonly keyId: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { root } = await generateHierarchy({ trustDomain, path: '/unused', fromMs: systemClock.nowMs() - 60_000, lifeMs: 86_400_000 })
  const [certPath, keyPath] = [join(folder, 'root.pem'), join(folder, 'key.pem')]
  writeFileSync(certPath, encodeCertificatesPem([root.certificate]))
  writeFileSync(keyPath, root.key.toPem(), { mode: 0o600 })
  const server = await startServer({ config: { upstream: { certPath, keyPath, bundlePath: undefined, crlPath: undefined } } })
  return { ...server, keyId: toHex(parseCertificate(root.certificate).extensions.subjectKeyId ?? new Uint8Array(0)) }
}

test("SPIRE's calls name the upstream authority, and end it only once another signs", async () => {
  const { admin, keyId } = await below()
  expect((await admin.unary(service, 'GetX509AuthorityState', {})).active).toMatchObject({ upstreamAuthoritySubjectKeyId: keyId })
  await expect(admin.unary(service, 'TaintX509UpstreamAuthority', { subjectKeyId: keyId })).rejects.toMatchObject({ code: 'AUTHORITY_STATE' })
  await expect(admin.unary(service, 'RevokeX509UpstreamAuthority', { subjectKeyId: keyId })).rejects.toMatchObject({ code: 'AUTHORITY_STATE' })
  await expect(admin.unary(service, 'TaintX509UpstreamAuthority', { subjectKeyId: 'aabb' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(admin.unary(service, 'TaintX509UpstreamAuthority', { subjectKeyId: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('without an upstream authority they say so', async () => {
  const { admin } = await startServer()
  await expect(admin.unary(service, 'TaintX509UpstreamAuthority', { subjectKeyId: 'aabb' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
})

test('the bundle marks the root once all below it is tainted, and the status says when it ends', async () => {
  const { admin, keyId } = await below()
  const tainted = async (): Promise<boolean[]> => (await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).x509Authorities.map((authority) => authority.tainted)
  const [first] = (await admin.unary('mayfly.v1.Authorities', 'List', {})).authorities
  await admin.unary('mayfly.v1.Authorities', 'Taint', { id: first?.id ?? '', replaceActive: true })
  expect(await tainted()).toEqual([false]) // the one that signs now is good
  expect((await admin.unary('mayfly.v1.Status', 'Get', {})).upstream).toMatchObject({ subjectKeyId: keyId })
})
