import { describe, expect, test } from 'vitest'
import type { X509SVIDResponse__Output } from '../../proto/generated/X509SVIDResponse.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { parseCrl } from '../../src/x509/crl.ts'
import { toHex } from '../../src/core/bytes.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { Product } from '../support/product/product.ts'

const uid = process.getuid?.() ?? 0
const metadata = { 'workload.spiffe.io': 'true' }

describe('the crl field of the Workload API', () => {
  test('is filled for entries that ask, with a list of each authority, and again after a revocation; empty for others', async () => {
    await using product = await Product.start()
    const agent = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    const [id = ''] = await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId, selectors: [`unix:uid:${uid}`] }])
    const leaving = new AbortController()
    using channel = RpcChannel.connectUnix(agent.workloadSocket, { clock: systemClock })
    const stream = channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { signal: leaving.signal, metadata })[Symbol.asyncIterator]()
    const next = async (wanted: (response: X509SVIDResponse__Output) => boolean): Promise<X509SVIDResponse__Output> => {
      for (;;) {
        const { value, done } = await stream.next()
        if (done === true) throw new Error('the stream ended')
        if (wanted(value)) return value
      }
    }
    expect((await next(() => true)).crl).toEqual([])
    const { results } = await product.admin.unary('mayfly.v1.Registry', 'UpdateEntries', { entries: [{ entry: { id }, options: { crl: true } }], mask: {}, optionsMask: { crl: true } })
    expect(results[0]).toMatchObject({ status: { code: 0 }, entry: { options: { crl: true } } })
    const asked = await next(({ crl }) => crl.length > 0)
    expect(parseCrl(asked.crl[0] ?? new Uint8Array(0)).serials).toEqual([])

    const serial = toHex(parseCertificate(asked.svids[0]?.x509Svid ?? new Uint8Array(0)).serial)
    await product.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { serial: serial.padStart(34, '0') }, reason: 'test' })
    const listed = await next(({ crl }) => crl.length > 0 && parseCrl(crl[0] ?? new Uint8Array(0)).serials.some((one) => toHex(one) === serial))
    expect(toHex(parseCertificate(listed.svids[0]?.x509Svid ?? new Uint8Array(0)).serial)).not.toBe(serial)
    for await (const { crl } of channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {}, { signal: leaving.signal, metadata })) {
      expect(crl).toHaveLength(1)
      break
    }

    await product.killServer()
    const late = channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { signal: leaving.signal, metadata })
    for await (const { crl } of late) {
      expect(crl).toHaveLength(1) // the last known stays while the server is away
      break
    }
    leaving.abort()
  })
})
