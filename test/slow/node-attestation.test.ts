import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Shell } from '../support/cli/transcript.ts'
import { sshAuthority, sshHost } from '../support/attest/ssh-host.ts'
import { x509Node } from '../support/attest/x509-node.ts'
import { AgentProcess, Product, wireId } from '../support/product/product.ts'
import { authority } from '../support/verify/certificates.ts'

const secondMs = Math.floor(Date.now() / 1_000) * 1_000
const valid = { notBeforeMs: secondMs - 3_600_000, notAfterMs: secondMs + 3_600_000 }

describe('real agents that need no token', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  let product: Product
  let digest: string
  const agents: AgentProcess[] = []

  beforeAll(async () => {
    const root = authority('machines', valid)
    const node = x509Node(folder, 'node', [root], 'P-256', valid)
    sshAuthority(folder, 'ca')
    const host = sshHost(folder, 'ca', 'host')
    writeFileSync(join(folder, 'machines.pem'), encodeCertificatesPem([root.der]))
    writeFileSync(join(folder, 'server.yaml'), `nodeAttestors:\n  x509pop:\n    caBundle: ${join(folder, 'machines.pem')}\n  sshpop:\n    authorities: ${join(folder, 'ca.pub')}\n    agentPath: /hosts/{{ .Hostname }}\n`)
    product = await Product.start({ serverArgs: ['--config', join(folder, 'server.yaml')] })
    digest = (await product.admin.unary('mayfly.v1.Status', 'Get', {})).bundleDigest
    writeFileSync(join(folder, 'x509.yaml'), `${common()}nodeAttestor:\n  x509pop:\n    certificate: ${node.certificate}\n    key: ${node.key}\n`)
    writeFileSync(join(folder, 'ssh.yaml'), `${common()}nodeAttestor:\n  sshpop:\n    hostKey: ${host.hostKey}\n    hostCertificate: ${host.hostCertificate}\n`)
  })

  afterAll(async () => {
    for (const agent of agents) await agent.kill()
    await product[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  function common(): string {
    return `server: ${product.address}\ntrustDomain: example.org\ntrustBundleDigest: ${digest}\n`
  }

  async function joined(name: string): Promise<{ readonly agent: AgentProcess; readonly id: string }> {
    const agent = new AgentProcess(join(product.dir, name), ['--config', join(folder, `${name}.yaml`)])
    agents.push(agent)
    const known = await product.agentIds()
    await agent.start()
    return { agent, id: await attested(agent, known) }
  }

  /** The agent that the server lists beside those it had. */
  async function attested(agent: AgentProcess, known: readonly string[]): Promise<string> {
    for (;;) {
      const id = (await product.agentIds()).find((each) => !known.includes(each))
      if (id !== undefined) return id
      if (agent.program?.child.exitCode !== null) throw new Error(`the agent ended: ${agent.program?.errors ?? ''}`)
      await systemClock.sleep(20, new AbortController().signal)
    }
  }

  test('join by an SSH host key, under a name that outlives the certificate', async () => {
    const { id } = await joined('ssh')
    expect(id).toBe('spiffe://example.org/spire/agent/hosts/host.example.org')
  })

  test('join by a certificate, serve workloads, and join anew once they were evicted', async () => {
    const { agent, id } = await joined('x509')
    expect(id).toMatch(/\/spire\/agent\/x509pop\/[0-9a-f]{40}$/)
    await product.createEntries([{ spiffeId: 'spiffe://example.org/rack/7', parentId: 'spiffe://example.org/spire/server', selectors: ['x509pop:san:rack:7'] }])
    await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: 'spiffe://example.org/rack/7', selectors: [`unix:uid:${process.geteuid?.() ?? 0}`] }])
    const shell = new Shell(product.dir, { MAYFLY_AGENT_SOCKET: agent.adminSocket, SPIFFE_ENDPOINT_SOCKET: `unix://${agent.workloadSocket}` })
    expect(await shell.run('mayfly x509 fetch')).toContain('spiffe://example.org/web')
    // The bundle is another by now, and the digest in the configuration with it: the agent goes by the bundle that it kept.
    await product.admin.unary('mayfly.v1.Authorities', 'Prepare', {})
    expect((await product.admin.unary('mayfly.v1.Status', 'Get', {})).bundleDigest).not.toBe(digest)
    await product.admin.unary('spire.api.server.agent.v1.Agent', 'DeleteAgent', { id: wireId(id) })
    expect(await agent.program?.ended()).toBe(1)
    const others = await product.agentIds()
    await agent.start()
    expect(await attested(agent, others)).toBe(id)
    expect(await shell.run('mayfly x509 fetch')).toContain('spiffe://example.org/web')
  })

  test('believe no server but the one whose digest they were given', async () => {
    writeFileSync(join(folder, 'wrong.yaml'), `server: ${product.address}\ntrustDomain: example.org\ntrustBundleDigest: ${'0'.repeat(64)}\nnodeAttestor:\n  sshpop: {}\n`)
    const agent = new AgentProcess(join(product.dir, 'wrong'), ['--config', join(folder, 'wrong.yaml')])
    agents.push(agent)
    await agent.start()
    expect(await agent.program?.ended()).toBe(1)
    expect(agent.program?.errors).toContain('is not the one that this agent was told to expect')
  })
})
