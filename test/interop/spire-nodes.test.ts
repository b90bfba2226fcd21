import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { httpChallenge } from '../../agent/node/http-challenge.ts'
import type { NodeAttestor } from '../../agent/node/node-attestor.ts'
import { sshpop } from '../../agent/node/sshpop.ts'
import { x509pop } from '../../agent/node/x509pop.ts'
import { attestNode } from '../../agent/sync/attestation.ts'
import { readBundleText } from '../../agent/sync/bootstrap.ts'
import { Trust } from '../../agent/sync/trust.ts'
import type { NodeAttestorsConfig } from '../../server/attest/config.ts'
import { defaultAgentPath } from '../../server/attest/agent-path.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { sshAuthority, sshHost } from '../support/attest/ssh-host.ts'
import { x509Node } from '../support/attest/x509-node.ts'
import { spirePrograms } from '../support/interop/spire.ts'
import { startServer, trustDomain } from '../support/server/test-server.ts'
import { authority } from '../support/verify/certificates.ts'

const spire = spirePrograms()
if (spire === undefined) console.warn('SKIPPED: node attestation with SPIRE, because neither MAYFLY_SPIRE_BIN nor the path leads to spire-agent and spire-server')

const folder = mkdtempSync(join(tmpdir(), 'mf-sp-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const secondMs = Math.floor(Date.now() / 1_000) * 1_000
const valid = { notBeforeMs: secondMs - 3_600_000, notAfterMs: secondMs + 3_600_000 }
const root = authority('machines', valid)
const machines = join(folder, 'machines.pem')
writeFileSync(machines, encodeCertificatesPem([root.der]))
const rsa = x509Node(folder, 'rsa', [root], 'RSA', valid)
const ec = x509Node(folder, 'ec', [root], 'P-256', valid)
sshAuthority(folder, 'ca')
const ed = sshHost(folder, 'ca', 'ed')
const sha1 = sshHost(folder, 'ca', 'sha1', ['-t', 'rsa', '-b', '2048'])

describe.skipIf(spire === undefined)("SPIRE's agent attests to a mayfly server", () => {
  const agentPath = '/sshpop/{{ .Hostname }}'
  const hostPort = 23_000 + (process.pid % 5_000)
  const nodeAttestors: NodeAttestorsConfig = {
    x509pop: { caBundle: machines, agentPath: defaultAgentPath },
    sshpop: { authorities: join(folder, 'ca.pub'), canonicalDomain: 'example.org', agentPath, allowSha1: true },
    httpChallenge: { allowedHosts: ['*.example.org'], allowedPorts: [hostPort], allowedNetworks: ['127.0.0.0/8'], firstUse: true },
  }
  const cases: readonly (readonly [string, string, Readonly<Record<string, string | number>>, RegExp])[] = [
    ['x509pop with RSA', 'x509pop', { private_key_path: rsa.key, certificate_path: rsa.certificate }, /\/spire\/agent\/x509pop\/[0-9a-f]{40}$/],
    ['x509pop with ECDSA', 'x509pop', { private_key_path: ec.key, certificate_path: ec.certificate }, /\/spire\/agent\/x509pop\/[0-9a-f]{40}$/],
    ['sshpop with Ed25519', 'sshpop', { host_key_path: ed.hostKey, host_cert_path: ed.hostCertificate }, /\/spire\/agent\/sshpop\/ed$/],
    ['sshpop with RSA, for which it uses SHA-1', 'sshpop', { host_key_path: sha1.hostKey, host_cert_path: sha1.hostCertificate }, /\/spire\/agent\/sshpop\/sha1$/],
    ['http_challenge', 'http_challenge', { hostname: 'node7.example.org', agentname: 'default', port: hostPort }, /\/spire\/agent\/http_challenge\/node7\.example\.org$/],
  ]

  test.each(cases)('%s', async (name, type, data, id) => {
    const { server, admin } = await startServer({ config: { nodeAttestors }, deps: { resolve: async () => ['127.0.0.1'] } })
    const { x509Authorities } = await admin.unary('spire.api.server.bundle.v1.Bundle', 'GetBundle', {})
    const place = join(folder, name.replaceAll(/[^a-zA-Z0-9]/g, ''))
    mkdirSync(place)
    writeFileSync(join(place, 'bundle.pem'), encodeCertificatesPem(x509Authorities.map(({ asn1 }) => asn1)))
    writeFileSync(join(place, 'agent.conf'), agentConf(place, server.address, type, data))
    const line = await lineOf(started(spire?.agent ?? '', ['run', '-config', join(place, 'agent.conf')]), /Node attestation was successful|Agent crashed/)
    expect(line).toContain('Node attestation was successful')
    const { agents } = await admin.unary('spire.api.server.agent.v1.Agent', 'ListAgents', {})
    expect(agents).toMatchObject([{ attestationType: type }])
    expect(agents[0]?.id?.path).toMatch(id)
  })
})

describe.skipIf(spire === undefined)("a mayfly agent attests to SPIRE's server", () => {
  test.each<readonly [string, () => NodeAttestor]>([
    ['x509pop with RSA', () => x509pop(rsa, { random: systemRandom, readFile })],
    ['x509pop with ECDSA', () => x509pop(ec, { random: systemRandom, readFile })],
    ['sshpop with Ed25519', () => sshpop(ed, { random: systemRandom, readFile })],
    ['sshpop with RSA', () => sshpop(sha1, { random: systemRandom, readFile })],
    ['http_challenge', () => httpChallenge({ hostName: '127.0.0.1', agentName: 'default', listen: { host: '127.0.0.1', port: 0 }, advertisedPort: undefined })],
  ])('%s', async (_, attestor) => {
    const { address, bundle } = await spireServer()
    const svid = await attestNode(address, attestor(), new Trust(readBundleText(bundle, trustDomain)), systemClock, new AbortController().signal)
    expect(svid.id).toMatch(/^spiffe:\/\/example\.org\/spire\/agent\//)
  })

  let running: Promise<{ readonly address: string; readonly bundle: string }> | undefined
  let server: ChildProcess | undefined
  afterAll(() => server?.kill('SIGKILL'))

  async function spireServer(): Promise<{ readonly address: string; readonly bundle: string }> {
    running ??= (async () => {
      const place = join(folder, 'server')
      mkdirSync(place)
      const port = await freePort()
      writeFileSync(join(place, 'server.conf'), serverConf(place, port))
      server = spawn(spire?.server ?? '', ['run', '-config', join(place, 'server.conf')], { stdio: ['ignore', 'pipe', 'pipe'] })
      await lineOf(server, /Starting Server APIs|Fatal run error/)
      let bundle = ''
      for (let attempt = 0; bundle === '' && attempt < 50; attempt++) {
        try {
          bundle = execFileSync(spire?.server ?? '', ['bundle', 'show', '-socketPath', join(place, 'api.sock')], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 100)) // its socket is not there yet
        }
      }
      return { address: `127.0.0.1:${port}`, bundle }
    })()
    return await running
  }
})

async function readFile(path: string): Promise<string> {
  return readFileSync(path, 'utf8')
}

function started(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** The first line, of either stream, that this fits. */
async function lineOf({ stdout, stderr }: ChildProcess, wanted: RegExp): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const seen: string[] = []
  for (const stream of [stdout, stderr]) {
    if (stream === null) continue
    createInterface(stream)
      .on('line', (line) => {
        seen.push(line)
        if (wanted.test(line)) resolve(line)
      })
      .on('close', () => reject(new Error(`it ended first:\n${seen.slice(-5).join('\n')}`)))
  }
  return await promise
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

function hcl(data: Readonly<Record<string, string | number>>): string {
  return Object.entries(data).map(([key, value]) => `      ${key} = ${JSON.stringify(value)}`).join('\n')
}

function agentConf(place: string, address: string, type: string, data: Readonly<Record<string, string | number>>): string {
  const [host, port] = address.split(':')
  return `agent {
  data_dir = "${place}"
  server_address = "${host ?? ''}"
  server_port = "${port ?? ''}"
  socket_path = "${place}/a.sock"
  trust_bundle_path = "${place}/bundle.pem"
  trust_domain = "${trustDomain}"
}
plugins {
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
  NodeAttestor "${type}" {
    plugin_data {
${hcl(data)}
    }
  }
}
`
}

function serverConf(place: string, port: number): string {
  return `server {
  bind_address = "127.0.0.1"
  bind_port = "${port}"
  socket_path = "${place}/api.sock"
  trust_domain = "${trustDomain}"
  data_dir = "${place}"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${place}/db.sqlite3" } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${machines}" } }
  NodeAttestor "sshpop" { plugin_data { cert_authorities_path = "${join(folder, 'ca.pub')}" canonical_domain = "example.org" } }
  NodeAttestor "http_challenge" { plugin_data {} }
}
`
}
