import type { RpcChannel } from '../../src/rpc/channel.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { AgentClient } from '../support/product/agent-client.ts'
import { Product } from '../support/product/product.ts'
import type { Report } from './figure.ts'
import { cpuMs, elapsedMs, p256Micros } from './machine.ts'

const batchSize = 100
const callers = 16
const entryCount = 1_600
/** Until V8 has compiled what is hot: its compiler's threads count as the server's CPU too. */
const warmUpBatches = 240
const batches = 320

/** X.509-SVIDs over mTLS in batches of 100, proof of possession checked, ledger durable; the server is a process of its own. */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const limit = await p256Micros()
  using agent = await AgentClient.join((await product.joinLine()).line)
  const requests = await requestsOf(product, agent)

  await issue(agent.channel, requests, warmUpBatches)
  const before = await figuresOf(product)
  const serverBefore = cpuMs(product.server.pid)
  const start = elapsedMs()
  await issue(agent.channel, requests, batches)
  const seconds = (elapsedMs() - start) / 1_000
  const serverMs = cpuMs(product.server.pid) - serverBefore
  const after = await figuresOf(product)

  const count = batches * batchSize
  const microsEach = (serverMs * 1_000) / count
  const primitives = limit.sign + limit.verify
  return {
    name: 'issuance',
    figures: [
      { id: 'issuance.cpu_ratio', value: microsEach / primitives, unit: 'x', goal: '<= 3.0, then 2.5', limit: { value: primitives, unit: 'us', of: `one P-256 sign + one verify, ${limit.of}` } },
      { id: 'issuance.per_second', value: count / seconds, unit: '1/s', goal: '>= 4000, then 5000', limit: { value: 1e6 / primitives, unit: '1/s', of: 'the same on one core' } },
      { id: 'issuance.server_cpu_us', value: microsEach, unit: 'us', note: `${count} SVIDs, ${callers} callers; in the run ${after.commits - before.commits} commits with fsync, ${after.csrChecks - before.csrChecks} CSR checks, ${after.signatures - before.signatures} signatures` },
    ],
  }
}

async function requestsOf(product: Product, agent: AgentClient): Promise<{ entryId: string; csr: Uint8Array }[]> {
  const ids: string[] = []
  for (let at = 0; at < entryCount; at += 400) {
    const specs = Array.from({ length: 400 }, (_, offset) => ({ spiffeId: `spiffe://example.org/bench/${at + offset}`, parentId: agent.id, selectors: [`unix:uid:${10_000 + at + offset}`] }))
    ids.push(...(await product.createEntries(specs)))
  }
  return ids.map((entryId) => ({ entryId, csr: buildCsr(PrivateKey.generate()) }))
}

async function issue(channel: RpcChannel, requests: readonly { entryId: string; csr: Uint8Array }[], count: number): Promise<void> {
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < count) {
      const from = (next++ * batchSize) % requests.length
      const { results } = await channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: requests.slice(from, from + batchSize) })
      const refused = results.find((result) => result.status?.code !== 0)
      if (refused !== undefined || results.length !== batchSize) throw new Error(`an SVID was refused: ${refused?.status?.message ?? 'too few results'}`)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

async function figuresOf(product: Product): Promise<{ commits: number; csrChecks: number; signatures: number }> {
  return await product.admin.unary('mayfly.v1.Status', 'Get', {})
}
