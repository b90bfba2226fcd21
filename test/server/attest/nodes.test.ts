import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { httpChallenge } from '../../../agent/node/http-challenge.ts'
import type { NodeAttestor } from '../../../agent/node/node-attestor.ts'
import { sshpop } from '../../../agent/node/sshpop.ts'
import { x509pop } from '../../../agent/node/x509pop.ts'
import { attestNode } from '../../../agent/sync/attestation.ts'
import type { AgentSvid } from '../../../agent/sync/agent-svid.ts'
import { bundleFromWire, Trust } from '../../../agent/sync/trust.ts'
import type { NodeAttestorsConfig } from '../../../server/attest/config.ts'
import { defaultAgentPath } from '../../../server/attest/agent-path.ts'
import { encodeCertificatesPem } from '../../../src/x509/pem.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { codeOf } from '../../support/attest/code-of.ts'
import { sshAuthority, sshHost } from '../../support/attest/ssh-host.ts'
import { x509Node } from '../../support/attest/x509-node.ts'
import { startServer, wireId } from '../../support/server/test-server.ts'
import type { TestServer } from '../../support/server/test-server.ts'
import { authority, leaf } from '../../support/verify/certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'mf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const deps = { random: systemRandom, readFile: async (path: string) => readFileSync(path, 'utf8') }
/** By the real clock, for which the server checks. */
const secondMs = Math.floor(Date.now() / 1_000) * 1_000
const valid = { notBeforeMs: secondMs - 3_600_000, notAfterMs: secondMs + 3_600_000 }
const root = authority('machines', valid)
const node = x509Node(folder, 'node', [root], 'P-256', valid)
sshAuthority(folder, 'ca')
const host = sshHost(folder, 'ca', 'ssh-node')
writeFileSync(join(folder, 'root.pem'), encodeCertificatesPem([root.der]))

const portFree = 20_000 + (process.pid % 10_000)
const nodeAttestors: NodeAttestorsConfig = {
  x509pop: { caBundle: join(folder, 'root.pem'), agentPath: defaultAgentPath },
  sshpop: { authorities: join(folder, 'ca.pub'), canonicalDomain: undefined, agentPath: defaultAgentPath, allowSha1: false },
  httpChallenge: { allowedHosts: ['node7.example.org'], allowedPorts: [portFree], allowedNetworks: ['127.0.0.0/8'], firstUse: true },
}
const http = httpChallenge({ hostName: 'node7.example.org', agentName: 'default', listen: { host: '127.0.0.1', port: portFree }, advertisedPort: undefined })
const resolve = async (): Promise<readonly string[]> => ['127.0.0.1']

async function serverWith(config: NodeAttestorsConfig = nodeAttestors): Promise<TestServer> {
  return await startServer({ config: { nodeAttestors: config }, deps: { resolve } })
}

async function attested({ server, admin }: TestServer, attestor: NodeAttestor): Promise<AgentSvid> {
  const trust = new Trust(bundleFromWire(await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})))
  return await attestNode(server.address, attestor, trust, systemClock, new AbortController().signal)
}

const cases: readonly (readonly [string, NodeAttestor, 'often' | 'once'])[] = [
  ['x509pop', x509pop(node, deps), 'often'],
  ['sshpop', sshpop(host, deps), 'often'],
  ['http_challenge', http, 'once'],
]

describe.each(cases)('%s over the wire', (type, attestor, again) => {
  test('an agent attests, and is listed with what it has proven', async () => {
    const server = await serverWith()
    const svid = await attested(server, attestor)
    expect(svid.id).toMatch(new RegExp(`^spiffe://example\\.org/spire/agent/${type}/`))
    const { agents } = await server.admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
    expect(agents).toMatchObject([{ attestationType: type, canReattest: again === 'often' }])
    expect(agents[0]?.selectors.length).toBeGreaterThan(0)
    expect(agents[0]?.selectors.every((selector) => selector.type === type)).toBe(true)
  })

  test(`it may attest ${again}; banned never, evicted anew`, async () => {
    const server = await serverWith()
    const first = await attested(server, attestor)
    const second = await codeOf(attested(server, attestor))
    expect(second).toBe(again === 'often' ? 'accepted' : 'ATTESTED_BEFORE')
    const id = wireId(first.id)
    await server.admin.unary('spire.api.server.agent.v1.Agent', 'DeleteAgent', { id })
    expect((await attested(server, attestor)).id).toBe(first.id)
    await server.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id })
    expect(await codeOf(attested(server, attestor))).toBe('AGENT_BANNED')
  })

  test('a server that does not offer it says what it has', async () => {
    const server = await serverWith({ x509pop: undefined, sshpop: undefined, httpChallenge: undefined })
    await expect(attested(server, attestor)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', hint: expect.stringContaining('join_token') })
  })

  test('a disabled agent is not let in', async () => {
    const server = await serverWith()
    const { id } = await attested(server, attestor)
    await server.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { agentId: id }, reason: 'test' })
    expect(await codeOf(attested(server, attestor))).toBe('TARGET_DISABLED')
  })
})

test('why a node was refused is in the log of the server, with its address', async () => {
  const server = await serverWith()
  const stranger = x509Node(folder, 'stranger', [authority('others', valid)], 'P-256', valid)
  expect(await codeOf(attested(server, x509pop(stranger, deps)))).toBe('ATTESTATION_REFUSED')
  expect(server.log.facts).toContainEqual(expect.objectContaining({ event: 'agent.refused', attestor: 'x509pop', address: '127.0.0.1', code: 'ATTESTATION_REFUSED' }))
})

test('an authority that is taken out of the file counts no more, without a restart', async () => {
  const file = join(folder, 'changing.pem')
  writeFileSync(file, encodeCertificatesPem([root.der]))
  const server = await serverWith({ ...nodeAttestors, x509pop: { caBundle: file, agentPath: defaultAgentPath } })
  await attested(server, x509pop(node, deps))
  writeFileSync(file, encodeCertificatesPem([authority('others', valid).der]))
  expect(await codeOf(attested(server, x509pop(node, deps)))).toBe('ATTESTATION_REFUSED')
})

test('status tells which attestors there are, and what hinders one', async () => {
  const file = join(folder, 'spoilt.pem')
  writeFileSync(file, encodeCertificatesPem([root.der]))
  const server = await serverWith({ ...nodeAttestors, httpChallenge: undefined, x509pop: { caBundle: file, agentPath: defaultAgentPath } })
  const told = async (): Promise<unknown> => (await server.admin.unary('mayfly.v1.Status', 'Get', {})).nodeAttestors
  expect(await told()).toEqual([{ type: 'join_token', problem: '', authoritiesNotAfterMs: 0 }, { type: 'x509pop', problem: '', authoritiesNotAfterMs: valid.notAfterMs }, { type: 'sshpop', problem: '', authoritiesNotAfterMs: 0 }])
  writeFileSync(file, 'x')
  expect(await told()).toMatchObject([{}, { type: 'x509pop', problem: expect.stringContaining('nodeAttestors.x509pop.caBundle') }, { problem: '' }])
})

test('entries of a node alias reach the agents that have its selectors', async () => {
  const server = await serverWith()
  const svid = await attested(server, x509pop(node, deps))
  await server.createEntries('spiffe://example.org/spire/server', ['/rack/7'], { selectors: [{ type: 'x509pop', value: 'san:rack:7' }] })
  await server.createEntries('spiffe://example.org/rack/7', ['/web'])
  const { entries } = await server.tls({ certificateChain: svid.chain, privateKey: svid.key.keyObject }).unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})
  expect(entries.map((entry) => entry.spiffeId?.path).toSorted()).toEqual(['/web'])
})

test('the agent of one attestor cannot be taken over by another', async () => {
  const server = await serverWith({ ...nodeAttestors, x509pop: { caBundle: join(folder, 'root.pem'), agentPath: '/nodes/{{ .Subject.CommonName }}' }, sshpop: { authorities: join(folder, 'ca.pub'), canonicalDomain: 'example.org', agentPath: '/nodes/{{ .Hostname }}', allowSha1: false } })
  await attested(server, x509pop(node, deps))
  expect(await codeOf(attested(server, sshpop(sshHost(folder, 'ca', 'node-2', ['-t', 'ed25519'], ['-h', '-n', 'node.example.org']), deps)))).toBe('ATTESTED_BEFORE')
})

test('a proof that comes again and again is held to the rate of renewals', async () => {
  const server = await startServer({ config: { nodeAttestors, limits: { attestationsPerSecond: 1_000, renewalsPerSecond: 1, signaturesPerSecond: 1_000, entriesPerSecond: 1_000, messagesPerSecond: 1_000, leakReportsPerSecond: 5, grantRequestsPerSecond: 5 } } })
  const codes: string[] = []
  for (let count = 0; count < 36; count++) codes.push(await codeOf(attested(server, sshpop(host, deps))))
  expect(codes).toContain('LIMIT_EXCEEDED')
})

test('the names in a certificate of another trust domain make no selectors', async () => {
  const server = await serverWith()
  const plain = leaf(root, { ...valid, uri: 'x509pop://other.org/rack/7' })
  writeFileSync(join(folder, 'plain.pem'), encodeCertificatesPem([plain.der]))
  writeFileSync(join(folder, 'plain.key'), plain.key.toPem())
  await attested(server, x509pop({ certificate: join(folder, 'plain.pem'), key: join(folder, 'plain.key'), intermediates: undefined }, deps))
  const { agents } = await server.admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
  expect(agents[0]?.selectors.map(({ value }) => value.split(':')[0])).toEqual(['ca', 'serialnumber'])
})
