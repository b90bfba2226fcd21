import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { generateHierarchy } from '../../certs/generate.ts'
import { X509Source } from '../../src/client/index.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { systemClock } from '../../src/system/clock.ts'
import { buildCsr } from '../../src/x509/csr-builder.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { PrivateKey } from '../../src/x509/private-key.ts'
import { Shell } from '../support/cli/transcript.ts'
import { spirePrograms } from '../support/interop/spire.ts'
import { RealSpire } from '../support/interop/spire-server.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { AgentProcess, Product } from '../support/product/product.ts'

const programs = spirePrograms()
if (programs === undefined) skipAloud('moving from SPIRE, because neither MAYFLY_SPIRE_BIN nor the path leads to spire-agent and spire-server: MAYFLY_SPIRE_BIN=<folder> npm run interop -- spire-import')
const trustDomain = parseTrustDomain('example.org')
const uid = process.geteuid?.() ?? 0

test.skipIf(programs === undefined)('three hundred entries move from a real SPIRE, side by side below one root: each serves its workloads, and they trust each other; then back', async () => {
  if (programs === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { root } = await generateHierarchy({ trustDomain, path: '/unused', fromMs: systemClock.nowMs() - 60_000, lifeMs: 30 * 86_400_000 })
  const upstream = { certPath: join(folder, 'root.pem'), keyPath: join(folder, 'root.key') }
  writeFileSync(upstream.certPath, encodeCertificatesPem([root.certificate]))
  writeFileSync(upstream.keyPath, root.key.toPem(), { mode: 0o600 })
  const config = join(folder, 'server.yaml')
  writeFileSync(config, `ca:\n  upstream:\n    certPath: ${upstream.certPath}\n    keyPath: ${upstream.keyPath}\n`)

  await using spire = await RealSpire.start(folder, programs, upstream)
  const agentId = await spire.startAgent('/node/a')
  const path = (id: string): { readonly trustDomain: string; readonly path: string } => ({ trustDomain: 'example.org', path: id })
  const entry = (name: string, parent: string, selector: string): object => ({ spiffeId: path(name), parentId: path(parent), selectors: [{ type: 'unix', value: selector }], x509SvidTtl: 600 })
  const entries = [
    entry('/web', '/node/a', `uid:${uid}`),
    ...Array.from({ length: 299 }, (_, at) => entry(`/w/${at}`, '/node/a', `uid:${at + 40_000}`)),
    entry('/job/task/1', '/node/a', 'uid:7'),
    entry('/lost', '/spire/agent/join_token/gone', 'uid:7'),
    { ...entry('/boss', '/node/a', 'uid:9'), admin: true },
    entry('/bound', agentId.slice('spiffe://example.org'.length), 'uid:8'),
  ]
  const { results } = await spire.admin.unary('spire.api.server.entry.v1.Entry', 'BatchCreateEntry', { entries })
  expect(results.filter(({ status }) => status?.code !== 0)).toEqual([])

  await using product = await Product.start({ serverArgs: ['--config', config] })
  const shell = new Shell(product.dir, { MAYFLY_SERVER_SOCKET: product.adminSocket, NODE_NO_WARNINGS: '1' })
  const from = `mayfly import spire --spire-socket ${spire.socket} --owner platform`
  const plan = JSON.parse((await shell.exec(`${from} --json`)).out) as { readonly counts: unknown; readonly plan: readonly { readonly spiffeId: string; readonly fate: string }[] } // what --json promises
  expect(plan.counts).toEqual({ moves: 301, there: 0, differs: 0, needs_parent: 1, alias: 1, left: 1, refused: 1 })
  expect(Object.fromEntries(plan.plan.filter(({ fate }) => fate !== 'moves').map(({ spiffeId, fate }) => [spiffeId.slice('spiffe://example.org'.length), fate]))).toEqual({ '/node/a': 'alias', '/job/task/1': 'refused', '/lost': 'left', '/bound': 'needs_parent' })
  expect(await shell.run(`${from} --apply --expect 301`)).toBe('created 301 of 301')
  expect(JSON.parse((await shell.exec(`${from} --json`)).out)).toMatchObject({ counts: { moves: 0, there: 301, differs: 0 } })

  // the same from what SPIRE's command line prints
  const printed = (what: string): string => `"${programs.server}" ${what} -socketPath ${spire.socket} -output json`
  expect(JSON.parse((await shell.exec(`${printed('agent list')} > a.json; ${printed('entry show')} | mayfly import spire --entries - --agents a.json --json`)).out)).toMatchObject({ counts: { moves: 0, there: 301, needs_parent: 1, alias: 1, left: 1, refused: 1 } })

  // and over TLS, as an administrator by SVID
  const key = PrivateKey.generate()
  const { svid } = await spire.admin.unary('spire.api.server.svid.v1.SVID', 'MintX509SVID', { csr: Buffer.from(buildCsr(key, { uris: ['spiffe://example.org/boss'] })) })
  const { x509Authorities } = await spire.admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})
  for (const [name, text] of [['svid.0.pem', encodeCertificatesPem(svid?.certChain ?? [])], ['svid.0.key', key.toPem()], ['bundle.0.pem', encodeCertificatesPem(x509Authorities.map(({ asn1 }) => asn1))]] as const) writeFileSync(join(folder, name), text)
  expect(JSON.parse((await shell.exec(`mayfly import spire --spire-address ${spire.address} --svid ${folder} --json`)).out)).toMatchObject({ counts: { moves: 0, there: 301 } })

  const line = (await shell.exec('mayfly token create --id /node/a')).out.trim()
  const agent = new AgentProcess(join(product.dir, 'agent'), ['--join', line])
  onTestFinished(async () => await agent.kill())
  await agent.start()
  await using atSpire = await X509Source.start({ endpoint: `unix://${spire.agentSocket}` })
  await using atMayfly = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
  expect([idOf(atSpire), idOf(atMayfly)]).toEqual(['spiffe://example.org/web', 'spiffe://example.org/web'])
  expect(await met(atSpire, atMayfly)).toBe(true)
  expect(await met(atMayfly, atSpire)).toBe(true)

  // the workload's own socket, without a change to the workload: mayfly's agent takes the place of SPIRE's, and gives it back
  await agent.kill()
  const issuer = (): 'mayfly' | 'spire' => (atSpire.current().serial.length === 34 ? 'mayfly' : 'spire')
  expect(issuer()).toBe('spire')
  await spire.stopAgent()
  const successor = new AgentProcess(agent.dir, ['--workload-socket', spire.agentSocket])
  onTestFinished(async () => await successor.kill())
  await successor.start()
  await updated(atSpire, () => issuer() === 'mayfly')
  await successor.kill('SIGTERM')
  spire.startAgentAgain()
  await updated(atSpire, () => issuer() === 'spire')
})

async function updated(source: X509Source, condition: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  source.onUpdate(() => {
    if (condition()) resolve()
  })
  if (condition()) resolve()
  await promise
}

function idOf(source: X509Source): string {
  return source.current().id
}

/** Whether a connection stands on which each has verified the other by its own bundle, as programs do that know nothing but X.509. */
async function met(serverSource: X509Source, clientSource: X509Source): Promise<boolean> {
  const terms = (source: X509Source): { readonly cert: string; readonly key: string; readonly ca: string } => {
    const { certificateChain, privateKey } = source.current()
    return {
      cert: encodeCertificatesPem(certificateChain),
      key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
      ca: encodeCertificatesPem(source.bundles.authoritiesOf(trustDomain).map(({ certificate }) => certificate.raw)),
    }
  }
  const server = createServer({ ...terms(serverSource), requestCert: true, rejectUnauthorized: true }, (socket) => socket.end('hello')).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const address = server.address()
    const socket = connect({ ...terms(clientSource), host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0, checkServerIdentity: () => undefined })
    const [said] = (await once(socket, 'data')) as [Buffer] // what a socket without an encoding emits
    return socket.authorized && String(said) === 'hello'
  } finally {
    server.close()
  }
}
