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
  let status = first
  const events = admin.serverStream('mayfly.v1.Status', 'WatchEvents', {})
  for await (const event of events) {
    if (event.name !== 'authority.activated') continue
    status = await admin.unary('mayfly.v1.Status', 'Get', {})
    break
  }
  expect(status.authorities.find(({ state }) => state === 'active')?.id).not.toBe(first.authorities[0]?.id)
  expect(status.bundleDigest).not.toBe(first.bundleDigest)
  expect(await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})).toMatchObject({ x509Authorities: [{ tainted: false }, { tainted: false }] })
  // The serial of the server's own SVID changes with the first credential that the new authority signed.
  for await (const event of admin.serverStream('mayfly.v1.Status', 'WatchEvents', {})) if (event.name === 'credentials.released') break
  const after = await serverCertificate(server.address)
  expect(after.serial).not.toBe(before.serial)
  expect(after.notAfterMs).toBeGreaterThan(before.notAfterMs)
  expect(toHex(Buffer.from(after.serial, 'hex'))).toBe(after.serial)
})
