import { describe, expect, test } from 'vitest'
import type { Clock } from '../../src/ports/clock.ts'
import { decodeSerial } from '../../src/core/serial.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { startServer } from '../support/server/test-server.ts'

/** The real clock with a wall that somebody sets. */
class SetClock implements Clock {
  offsetMs = 0

  nowMs(): number {
    return systemClock.nowMs() + this.offsetMs
  }

  bootMs(): number {
    return systemClock.bootMs()
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await systemClock.sleep(ms, signal)
  }
}

const minuteMs = 60_000

describe('the clock of a server', () => {
  test('set back: no index is given twice, and what was revoked stays so', async () => {
    const clock = new SetClock()
    const { join, createEntries, admin, tls } = await startServer({ deps: { clock } })
    const agent = await join()
    const [entry = ''] = await createEntries(agent.id, ['/web'])
    const issue = async (channel = agent.channel) => {
      const { results } = await channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId: entry, csr: Buffer.from(buildCsr(PrivateKey.generate())) }] })
      return parseCertificate(new Uint8Array(results[0]?.svid?.certChain[0] ?? []))
    }
    const places: string[] = []
    for (const offsetMs of [0, 10 * minuteMs, 0, -5_000, 10 * minuteMs, 0]) {
      clock.offsetMs = offsetMs
      const { serial } = await issue(tls(agent.identity))
      const decoded = decodeSerial(Uint8Array.from([...new Uint8Array(17 - serial.length), ...serial]))
      places.push(`${decoded?.shard}:${decoded?.minute}:${decoded?.index}`)
    }
    expect(new Set(places).size).toBe(places.length)
    await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/web' } })
    for (const offsetMs of [0, -5_000, 10 * minuteMs, 0]) {
      clock.offsetMs = offsetMs
      const { credentials } = await admin.unary('mayfly.v1.Status', 'FindCredentials', { target: { spiffeId: 'spiffe://example.org/web' } })
      expect(credentials.filter(({ state }) => state === 'live')).toEqual([])
      const { results } = await tls(agent.identity).unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId: entry, csr: Buffer.from(buildCsr(PrivateKey.generate())) }] })
      expect(results[0]?.status?.code).not.toBe(0)
    }
  })

  test('an hour ahead: a revocation ends all the same what is live in truth, though that clock calls it expired', async () => {
    const clock = new SetClock()
    const { join, createEntries, admin, tls } = await startServer({ deps: { clock } })
    const agent = await join()
    const [entry = ''] = await createEntries(agent.id, ['/web'])
    await tls(agent.identity).unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId: entry, csr: Buffer.from(buildCsr(PrivateKey.generate())) }] })
    clock.offsetMs = 60 * minuteMs
    expect(await admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: 'spiffe://example.org/web' } })).toMatchObject({ credentials: 1 })
  })

  test('set far back: nothing is signed before the authority began', async () => {
    const clock = new SetClock()
    const { join, createEntries, tls } = await startServer({ deps: { clock } })
    const agent = await join()
    const [entry = ''] = await createEntries(agent.id, ['/web'])
    clock.offsetMs = -3_600_000
    const outcome = await tls(agent.identity)
      .unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId: entry, csr: Buffer.from(buildCsr(PrivateKey.generate())) }] })
      .then(({ results }) => results[0]?.status?.code !== 0, () => true)
    expect(outcome).toBe(true)
  })
})
