import { describe, expect, test } from 'vitest'
import type { X509SVIDResponse__Output } from '../../proto/generated/X509SVIDResponse.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Product } from '../support/product/product.ts'
import { authority } from '../support/verify/certificates.ts'

const uid = process.getuid?.() ?? 0
const metadata = { 'workload.spiffe.io': 'true' }
const api = 'spire.api.server.bundle.v1.Bundle' as const
const one = Buffer.from(authority('one').der)
const two = Buffer.from(authority('two').der)

/** A workload's stream, read as far as a test waits for something. */
class Watch implements Disposable {
  readonly #channel: RpcChannel
  readonly #stop = new AbortController()
  #told = ''
  readonly #stream: AsyncIterator<X509SVIDResponse__Output>

  constructor(socket: string) {
    this.#channel = RpcChannel.connectUnix(socket, { clock: systemClock })
    this.#stream = this.#channel.serverStream('SpiffeWorkloadAPI', 'FetchX509SVID', {}, { signal: this.#stop.signal, metadata })[Symbol.asyncIterator]()
  }

  /** What it is told next of other trust domains, when that is something else than before: SVIDs may be renewed meanwhile. */
  async next(): Promise<Readonly<Record<string, string>>> {
    for (;;) {
      const { value, done } = await this.#stream.next()
      if (done === true) throw new Error('the stream ended')
      const told = Object.fromEntries(Object.entries(value.federatedBundles).map(([name, bytes]) => [name, bytes.toString('hex')]))
      if (JSON.stringify(told) === this.#told) continue
      this.#told = JSON.stringify(told)
      return told
    }
  }

  async bundles(): Promise<Readonly<Record<string, Buffer>>> {
    for await (const { bundles } of this.#channel.serverStream('SpiffeWorkloadAPI', 'FetchX509Bundles', {}, { signal: this.#stop.signal, metadata })) return bundles
    throw new Error('the stream ended')
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    this.#channel.close()
  }
}

describe('bundles of other trust domains reach the workloads that federate with them', () => {
  test('FED-20 as soon as they are set, changed or deleted, or an entry names them; over restarts; and nobody else', async () => {
    await using product = await Product.start()
    const agent = await product.startAgent()
    const [parentId = ''] = await product.agentIds()
    const [id = ''] = await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId, selectors: [`unix:uid:${uid}`] }])
    using watch = new Watch(agent.workloadSocket)
    expect(await watch.next()).toEqual({})

    const set = async (trustDomain: string, ...ders: readonly Buffer[]): Promise<void> => {
      const { results } = await product.admin.unary(api, 'BatchSetFederatedBundle', { bundle: [{ trustDomain, x509Authorities: ders.map((asn1) => ({ asn1 })) }] })
      expect(results).toMatchObject([{ status: { code: 0 } }])
    }
    const name = async (...federatesWith: string[]): Promise<void> => {
      const { results } = await product.admin.unary('mayfly.v1.Registry', 'UpdateEntries', { entries: [{ entry: { id, federatesWith } }], mask: { federatesWith: true }, optionsMask: {} })
      expect(results).toMatchObject([{ status: { code: 0 } }])
    }
    await set('partner.example', one)
    await set('nobody.example', two)
    await name('partner.example')
    // the bundle is there with the entry's change, not after it; and what no entry names is not
    expect(await watch.next()).toEqual({ 'spiffe://partner.example': one.toString('hex') })
    await set('partner.example', one, two)
    expect(await watch.next()).toEqual({ 'spiffe://partner.example': Buffer.concat([one, two]).toString('hex') })
    const bundles = await watch.bundles()
    expect(Object.keys(bundles).toSorted()).toEqual(['spiffe://example.org', 'spiffe://partner.example'])

    await agent.kill()
    await agent.start()
    using late = new Watch(agent.workloadSocket)
    expect(Object.keys(await late.next())).toEqual(['spiffe://partner.example'])
    await product.killServer()
    await product.startServer()
    await product.admin.unary(api, 'BatchDeleteFederatedBundle', { trustDomains: ['partner.example'], mode: 'DISSOCIATE' })
    expect(await late.next()).toEqual({})
    expect(Object.keys(await late.bundles())).toEqual(['spiffe://example.org'])
  })
})
