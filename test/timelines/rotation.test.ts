import { connect } from 'node:tls'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { startServer } from '../support/server/test-server.ts'

async function serverCertificate(address: string): Promise<{ readonly serial: string; readonly notAfterMs: number; readonly uri: string }> {
  const [host = '', port = ''] = address.split(':')
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  const { serialNumber, valid_to: validTo, subjectaltname } = socket.getPeerCertificate()
  socket.destroy()
  return { serial: serialNumber.toLowerCase(), notAfterMs: Date.parse(validTo), uri: subjectaltname ?? '' }
}

test('authorities follow one another by themselves, and the server shows an SVID of the newest', async () => {
  const { server, admin } = await startServer({ config: { authorityTtlMs: 18_000 } })
  const first = await admin.unary('mayfly.v1.Status', 'Get', {})
  expect(first.authorities.map(({ state }) => state)).toEqual(['active'])
  const before = await serverCertificate(server.address)
  expect(before.uri).toBe('URI:spiffe://example.org/spire/server')
  for await (const event of admin.serverStream('mayfly.v1.Status', 'WatchEvents', {})) if (event.name === 'authority.activated') break
  const active = async (): Promise<string | undefined> => (await admin.unary('mayfly.v1.Status', 'Get', {})).authorities.find(({ state }) => state === 'active')?.id
  await expect.poll(active).not.toBe(first.authorities[0]?.id) // the event is what was written; the server works with it a moment later
  const status = await admin.unary('mayfly.v1.Status', 'Get', {})
  expect(status.bundleDigest).not.toBe(first.bundleDigest)
  expect(await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).toMatchObject({ x509Authorities: [{ tainted: false }, { tainted: false }] })
  await expect.poll(async () => (await serverCertificate(server.address)).serial).not.toBe(before.serial)
  const after = await serverCertificate(server.address)
  expect(after.notAfterMs).toBeGreaterThan(before.notAfterMs)
  expect(toHex(Buffer.from(after.serial, 'hex'))).toBe(after.serial)
})
