import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { raiseOpenFiles } from '../support/hostile/watch.ts'
import { isRoot } from '../support/processes/processes.ts'
import { AgentClient } from '../support/product/agent-client.ts'
import { mint } from '../support/product/mint.ts'
import { node24, Program, root } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'
import { Crowd, Prober } from './agents/crowd.ts'
import { percentile, type Report } from './figure.ts'
import { cpuMs, elapsedMs } from './machine.ts'

const probeMs = 20

/**
 * The server is restarted under `--agents 1000`, each with a connection of its own: from its serving line until all have their entries and the revocations again, and how long an admin
 * call and an issuance take meanwhile. Beside it: as many connections that come back to a bare grpc-js server, retried in the same way.
 */
export async function bench(): Promise<Report> {
  const { values } = parseArgs({ args: process.argv.slice(2), strict: false, options: { agents: { type: 'string' } } })
  const count = Number(values['agents'] ?? 1_000)
  await using product = await Product.start({ serverArgs: ['--log-level', 'warn'] })
  if (isRoot) raiseOpenFiles(product.server.pid, 20_000)
  const limit = await bare(product, count)
  await using crowd = await Crowd.join(product, count)
  using agent = await AgentClient.join((await product.joinLine()).line)
  const [entryId = ''] = await product.createEntries([{ spiffeId: 'spiffe://example.org/probe', parentId: agent.id, selectors: ['unix:uid:1'] }])
  const issue = async (): Promise<void> => {
    const { results } = await agent.channel.unary('spire.api.server.svid.v1.SVID', 'BatchNewX509SVID', { params: [{ entryId, csr: buildCsr(PrivateKey.generate()) }] }, { timeoutMs: 30_000 })
    if (results[0]?.status?.code !== 0) throw new Error(results[0]?.status?.message ?? 'no result')
  }
  await issue()

  crowd.mark()
  await product.killServer('SIGTERM')
  await product.startServer()
  if (isRoot) raiseOpenFiles(product.server.pid, 20_000)
  const servingMs = elapsedMs()
  const { admin } = product
  const calls = new Prober(probeMs, async () => admin.unary('mayfly.v1.Status', 'Get', {}), async (ms, signal) => systemClock.sleep(ms, signal))
  const issuances = new Prober(probeMs, issue, async (ms, signal) => systemClock.sleep(ms, signal))
  const { outagesMs, atMs } = await crowd.back()
  await calls.end()
  await issuances.end()
  const cpu = cpuMs(product.server.pid)
  const many = `${count} agents, ${Math.ceil(count / 250)} processes of them on the same machine`
  return {
    name: 'reconnect',
    figures: [
      { id: 'reconnect.all_serve_s', value: (atMs - servingMs) / 1_000, unit: 's', goal: '<= 15', limit: { value: limit.allMs / 1_000, unit: 's', of: 'as many mTLS connections and one gRPC stream each to a bare grpc-js server' }, note: `${many}; without their stream for p50 ${(percentile(outagesMs, 0.5) / 1_000).toFixed(1)} s, p99 ${(percentile(outagesMs, 0.99) / 1_000).toFixed(1)} s, the server's stop and start included` },
      { id: 'reconnect.server_cpu_ms_each', value: cpu / count, unit: 'ms', limit: { value: limit.cpuMs / count, unit: 'ms', of: 'the bare server' }, note: "the server's start included" },
      { id: 'reconnect.admin_p99_ms', value: percentile(calls.tookMs, 0.99), unit: 'ms', goal: '<= 500', note: `${calls.tookMs.length} calls of mayfly.v1.Status, p50 ${percentile(calls.tookMs, 0.5).toFixed(1)} ms; ${calls.failures.length} failed` },
      { id: 'reconnect.issuance_p99_ms', value: percentile(issuances.tookMs, 0.99), unit: 'ms', goal: '<= 1000', note: `${issuances.tookMs.length} SVIDs, one at a time, p50 ${percentile(issuances.tookMs, 0.5).toFixed(1)} ms; ${issuances.failures.length} calls failed` },
    ],
  }
}

async function bare(product: Product, count: number): Promise<{ readonly allMs: number; readonly cpuMs: number }> {
  const { bundle } = await bundleOf(product)
  const server = await mint(product, 'bare-server', { dns: ['localhost'] })
  const client = await mint(product, 'bare-client')
  let port = 0
  const start = async (): Promise<Program> => {
    const program = new Program(node24, [join(root, 'test/bench/agents/bare-server.ts')])
    program.child.stdin?.write(`${JSON.stringify({ port, key: server.key, cert: server.cert, ca: bundle })}\n`)
    port = Number((await program.event('serving'))['port'])
    if (isRoot) raiseOpenFiles(program.pid, 20_000)
    return program
  }
  const first = await start()
  await using crowd = await Crowd.connect(`127.0.0.1:${port}`, count, { key: client.key, cert: client.cert })
  crowd.mark()
  await first.kill()
  await using second = await start()
  const servingMs = elapsedMs()
  const { atMs } = await crowd.back()
  return { allMs: atMs - servingMs, cpuMs: cpuMs(second.pid) }
}

async function bundleOf(product: Product): Promise<{ readonly bundle: string }> {
  const { x509Authorities } = await product.admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})
  return { bundle: encodeCertificatesPem(x509Authorities.map(({ asn1 }) => asn1)) }
}
