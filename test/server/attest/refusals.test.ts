import { execFileSync } from 'node:child_process'
import { createHash, sign } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { sshpop } from '../../../agent/node/sshpop.ts'
import { x509pop } from '../../../agent/node/x509pop.ts'
import type { NodeAttestor } from '../../../agent/node/node-attestor.ts'
import { AgentPath, defaultAgentPath, sshpopNames, x509popNames } from '../../../server/attest/agent-path.ts'
import { nodeAttestorFields } from '../../../server/attest/config.ts'
import { HttpChallenge, isHostOf } from '../../../server/attest/http-challenge.ts'
import { parseNetwork, ReachableAddresses } from '../../../server/attest/networks.ts'
import { Sshpop } from '../../../server/attest/sshpop.ts'
import { X509pop } from '../../../server/attest/x509pop.ts'
import { formatHttpChallengePayload, httpChallengeAnswer, isHostName, parseHttpChallenge } from '../../../src/attest/http-challenge.ts'
import { readConfig } from '../../../src/config/reader.ts'
import { keyUsageBit } from '../../../src/x509/extensions.ts'
import { derName } from '../../../src/x509/name.ts'
import { oid } from '../../../src/x509/oids.ts'
import { parseAuthorizedKey } from '../../../src/ssh/public-key.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { codeOf } from '../../support/attest/code-of.ts'
import { talk, trustDomain } from '../../support/attest/conversation.ts'
import { sshAuthority, sshHost } from '../../support/attest/ssh-host.ts'
import { anchorOf, x509Node } from '../../support/attest/x509-node.ts'
import type { LeafOverrides } from '../../support/attest/x509-node.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { authority, ext, nowMs } from '../../support/verify/certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'mf-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const clock = new FakeClock(nowMs)
const deps = { random: systemRandom, readFile: async (path: string) => readFileSync(path, 'utf8') }
const serverDeps = { clock, random: systemRandom, trustDomain }
let count = 0

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => 'accepted', (error: unknown) => (error instanceof Error ? error.message : String(error)))
}

describe('x509pop', () => {
  const root = authority('root')
  const asking = (agentPath = defaultAgentPath): X509pop => new X509pop({ ...serverDeps, agentPath: AgentPath.parse(agentPath, x509popNames), anchors: async () => [anchorOf(root)] })
  const node = (overrides: LeafOverrides = {}, issuers: Parameters<typeof x509Node>[2] = [root]): NodeAttestor => x509pop(x509Node(folder, `n${count++}`, issuers, 'P-256', overrides), deps)

  test.each<readonly [string, LeafOverrides, string]>([
    ['has expired', { notAfterMs: nowMs - 1_000 }, 'has expired'],
    ['is not valid yet', { notBeforeMs: nowMs + 1_000 }, 'not valid yet'],
    ['is an authority', { extensions: { basicConstraints: ext.basicConstraints(true) } }, 'that of an authority'],
    ['is for mail', { extensions: { extKeyUsage: ext.extKeyUsage('1.3.6.1.5.5.7.3.4') } }, 'neither for clients nor for servers'],
    ['may not sign', { extensions: { keyUsage: ext.keyUsage(keyUsageBit.keyEncipherment) } }, 'digitalSignature is not set'],
    ['says not what its key is for', { extensions: { keyUsage: undefined } }, 'digitalSignature is not set'],
    ['has a critical extension that nobody knows', { extensions: { unknown: ext.unknown(true) } }, 'critical extension'],
    ['was signed by another key', { signer: authority('other').key }, 'a signature does not verify'],
  ])('a certificate that %s is refused, before it is asked anything', async (_, overrides, why) => {
    expect(await messageOf(talk(asking(), node(overrides), clock))).toContain(why)
    expect(await codeOf(talk(asking(), node(overrides), clock))).toBe('ATTESTATION_REFUSED')
  })

  test.each([[oid.clientAuth], [oid.serverAuth], ['2.5.29.37.0'], ['1.3.6.1.5.5.7.3.4', oid.serverAuth]])('one for %s is taken', async (...usages) => {
    expect(await codeOf(talk(asking(), node({ extensions: { extKeyUsage: ext.extKeyUsage(...usages) } }), clock))).toBe('accepted')
  })

  test('authorities that say nothing of what their key is for, as `openssl req -x509` makes them, are taken', async () => {
    const plain = authority('plain', { extensions: { keyUsage: undefined } })
    const asked = new X509pop({ ...serverDeps, agentPath: AgentPath.parse(defaultAgentPath, x509popNames), anchors: async () => [anchorOf(plain)] })
    expect(await codeOf(talk(asked, node({}, [plain]), clock))).toBe('accepted')
    expect(await codeOf(talk(asked, node({}, [authority('middle', { extensions: { keyUsage: undefined } }, plain), plain]), clock))).toBe('accepted')
  })

  test('an authority in the middle that may not be one, or has expired, carries nothing', async () => {
    for (const overrides of [{ extensions: { basicConstraints: ext.basicConstraints(false) } }, { notAfterMs: nowMs - 1_000 }, { extensions: { keyUsage: ext.keyUsage(keyUsageBit.digitalSignature) } }]) {
      expect(await codeOf(talk(asking(), node({}, [authority('middle', overrides, root), root]), clock))).toBe('ATTESTATION_REFUSED')
    }
  })

  test('the path of an agent may have its common name, and no name that is no segment of a path', async () => {
    const byName = asking('/hosts/{{ .Subject.CommonName }}')
    expect((await talk(byName, node({ subject: derName({ commonName: 'node7' }) }), clock)).agentId).toBe('spiffe://example.org/spire/agent/hosts/node7')
    for (const commonName of ['a/b', '..', 'a b', 'é', 'x'.repeat(300)]) expect(await codeOf(talk(byName, node({ subject: derName({ commonName }) }), clock))).toBe('ATTESTATION_REFUSED')
    expect(await codeOf(talk(byName, node({ subject: derName({}) }), clock))).toBe('ATTESTATION_REFUSED')
  })

  test('a common name with control characters becomes no selector', async () => {
    const { selectors } = await talk(asking(), node({ subject: derName({ commonName: 'a\nb' }) }), clock)
    expect(selectors.map(({ value }) => value.split(':')[0])).toEqual(['ca', 'serialnumber', 'san'])
  })
})

describe('sshpop', () => {
  const line = sshAuthority(folder, 'ca')
  sshAuthority(folder, 'stranger')
  const asking = (more: { canonicalDomain?: string; allowSha1?: boolean; agentPath?: string } = {}): Sshpop =>
    new Sshpop({ ...serverDeps, agentPath: AgentPath.parse(more.agentPath ?? defaultAgentPath, sshpopNames), authorities: async () => [parseAuthorizedKey(line)], canonicalDomain: more.canonicalDomain, allowSha1: more.allowSha1 ?? false })
  const host = (options?: readonly string[], ca = 'ca'): NodeAttestor => sshpop(sshHost(folder, ca, `h${count++}`, ['-t', 'ed25519'], options), deps)

  test.each<readonly [string, readonly string[], string]>([
    ['of a user', ['-n', 'node7'], 'that of a user'],
    ['that has expired', ['-h', '-n', 'node7', '-V', '20200101:20210101'], 'has expired'],
    ['that is not valid yet', ['-h', '-n', 'node7', '-V', '20990101:21000101'], 'not valid yet'],
    ['for no host', ['-h'], 'names no host'],
    ['with a critical option', ['-h', '-n', 'node7', '-O', 'critical:x@example.org=1'], 'critical option'],
  ])('a certificate %s is refused', async (_, options, why) => {
    expect(await messageOf(talk(asking(), host(options), clock))).toContain(why)
  })

  test('one of another authority is refused, and that is named', async () => {
    expect(await messageOf(talk(asking(), host(undefined, 'stranger'), clock))).toMatch(/no authority of the server signed the certificate: SHA256:/)
  })

  test('one that was changed after it was signed is refused', async () => {
    expect(await codeOf(talk(asking(), host(), clock, { payload: (honest) => {
      const message = JSON.parse(new TextDecoder().decode(honest)) as { Certificate: string } // as it is made here
      const blob = Buffer.from(message.Certificate, 'base64')
      blob[80] = (blob[80] ?? 0) ^ 1
      return new TextEncoder().encode(JSON.stringify({ Certificate: blob.toString('base64') }))
    } }))).toBe('ATTESTATION_INVALID')
  })

  test('hosts outside the domain are refused; inside it is cut off', async () => {
    const inside = asking({ canonicalDomain: 'example.org', agentPath: '/ssh/{{ .Hostname }}' })
    expect((await talk(inside, host(['-h', '-n', 'node7.example.org']), clock)).agentId).toBe('spiffe://example.org/spire/agent/ssh/node7')
    for (const name of ['node7.example.com', 'example.org', 'nodeexample.org', '.example.org']) expect(await codeOf(talk(inside, host(['-h', '-n', name]), clock))).toBe('ATTESTATION_REFUSED')
  })

  test('SHA-1 is taken only where the configuration says so, and never in a certificate', async () => {
    sshAuthority(folder, 'rsaca', '-t', 'rsa', '-b', '2048')
    const files = sshHost(folder, 'ca', 'weak', ['-t', 'rsa', '-b', '2048'])
    const pem = join(folder, 'weak.pem')
    writePem(files.hostKey, pem)
    const sha1 = (honest: Uint8Array, serverNonce: Uint8Array): Uint8Array => signedWithSha1(pem, honest, serverNonce)
    for (const [allowSha1, code] of [[false, 'ATTESTATION_REFUSED'], [true, 'accepted']] as const) {
      const real = sshpop(files, deps)
      const weak: NodeAttestor = {
        ...real,
        async *attest(signal) {
          const proving = real.attest(signal)
          const challenge = yield (await proving.next(new Uint8Array(0))).value ?? new Uint8Array(0)
          yield sha1((await proving.next(challenge)).value ?? new Uint8Array(0), challenge)
        },
      }
      expect(await codeOf(talk(asking({ allowSha1 }), weak, clock))).toBe(code)
    }
    const old = sshHost(folder, 'rsaca', 'oldca', ['-t', 'ed25519'], ['-h', '-n', 'node7', '-t', 'ssh-rsa'])
    expect(await codeOf(talk(asking({ allowSha1: true }), sshpop(old, deps), clock))).toBe('CONFIG_INVALID')
  })
})

describe('http_challenge', () => {
  type Answer = (request: IncomingMessage, response: ServerResponse, nonce: string) => void
  const honestly: Answer = (_, response, nonce) => void response.end(`${nonce}\n`)

  /** A host that answers as it likes, and what it was asked for. */
  async function hostWith(answer: Answer, more: { allowedNetworks?: readonly string[]; addresses?: readonly string[]; hostName?: string; allowedHosts?: readonly string[]; ports?: readonly number[] } = {}): Promise<{ talk: () => Promise<unknown>; asked: IncomingMessage[] }> {
    let nonce = ''
    const asked: IncomingMessage[] = []
    const server = createServer((request, response) => {
      asked.push(request)
      answer(request, response, nonce)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const asking = new HttpChallenge({
      ...serverDeps,
      allowedHosts: more.allowedHosts ?? ['node7.example.org'],
      allowedPorts: more.ports ?? [port],
      reachable: new ReachableAddresses((more.allowedNetworks ?? ['127.0.0.0/8']).flatMap((network) => parseNetwork(network) ?? [])),
      firstUse: true,
      resolve: async () => more.addresses ?? ['127.0.0.1'],
    })
    const answering: NodeAttestor = {
      type: 'http_challenge',
      again: true,
      async *attest() {
        nonce = parseHttpChallenge(yield formatHttpChallengePayload({ hostName: more.hostName ?? 'node7.example.org', agentName: 'default', port }))
        yield httpChallengeAnswer
      },
    }
    return { asked, talk: async () => await talk(asking, answering, clock) }
  }

  test('one GET is made, for the well-known path, with the name of the host', async () => {
    const { talk: attest, asked } = await hostWith(honestly)
    await attest()
    expect(asked.map(({ method, url, headers }) => ({ method, url, host: headers.host?.split(':')[0] }))).toEqual([{ method: 'GET', url: '/.well-known/spiffe/nodeattestor/http_challenge/default/challenge', host: 'node7.example.org' }])
  })

  test.each<readonly [string, Answer]>([
    ['another text', (_, response) => void response.end('x')],
    ['the nonce with more after it', (_, response, nonce) => void response.end(`${nonce}x`)],
    ['the nonce after a redirect', (request, response, nonce) => (request.url === '/' ? response.end(nonce) : response.writeHead(302, { location: '/' }).end())],
    ['the nonce with status 404', (_, response, nonce) => void response.writeHead(404).end(nonce)],
    ['more than 512 bytes', (_, response, nonce) => void response.end(nonce + ' '.repeat(1_000))],
    ['an endless head', (request) => void request.socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(5_000)}\r\n`)],
    ['nothing, and closes', (request) => void request.socket.destroy()],
    ['half an answer, and closes', (request, response) => void response.writeHead(200, { 'content-length': '100' }).write('x', () => request.socket.destroy())],
  ])('a host that answers %s is refused, and asked once', async (_, answer) => {
    const { talk: attest, asked } = await hostWith(answer)
    expect(await codeOf(attest())).toBe('ATTESTATION_REFUSED')
    expect(asked).toHaveLength(1)
  })

  test('a host that does not answer is given up after ten seconds', async () => {
    const { promise: heard, resolve } = Promise.withResolvers<undefined>()
    const { talk: attest } = await hostWith(() => resolve(undefined))
    const waiting = codeOf(attest())
    await heard
    await clock.advance(10_500)
    expect(await waiting).toBe('ATTESTATION_REFUSED')
    clock.jump(-10_500)
  })

  test('nothing is asked of an address inside, of a name among whose addresses one is, or of a port that is not allowed', async () => {
    for (const more of [{ allowedNetworks: [] }, { addresses: ['127.0.0.1', '169.254.169.254'] }, { addresses: [] }, { ports: [80] }, { allowedHosts: ['other.example.org'] }, { allowedHosts: ['*.node7.example.org'] }]) {
      const { talk: attest, asked } = await hostWith(honestly, more)
      expect(await codeOf(attest())).toBe('ATTESTATION_REFUSED')
      expect(asked).toEqual([])
    }
  })

  test.each(['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0x7f000001', 'a.0x1', '[::1]', '::1', 'user@node7.example.org', 'node7.example.org/x', 'node7.example.org:80', 'node7.example.org.', '*.example.org', '', 'a..b', '-a.example.org', 'a'.repeat(300), 'node7.example.org\r\nx: y'])('%j is no name of a host', (name) => {
    expect(isHostName(name)).toBe(false)
  })

  test('a pattern fits the whole name, its star one label', () => {
    expect(isHostOf('node7.example.org', 'node7.example.org')).toBe(true)
    expect(isHostOf('*.example.org', 'node7.example.org')).toBe(true)
    for (const name of ['example.org', 'a.b.example.org', 'node7.example.org.evil.org', 'evilexample.org', '.example.org']) expect(isHostOf('*.example.org', name)).toBe(false)
  })
})

describe('addresses that a stranger may lead the server to', () => {
  const reachable = new ReachableAddresses([])

  test.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'])('%s is outside', (address) => {
    expect(reachable.may(address)).toBe(true)
  })

  test.each([
    '127.0.0.1', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '169.254.169.254', '224.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1', '::', '::1', '::127.0.0.1', '::ffff:127.0.0.1',
    '::ffff:7f00:1', '::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12::1', 'ff02::1', '2001:db8::1', '2001::1', '', 'localhost', '127.1', '0x7f.0.0.1',
  ])('%s is not', (address) => {
    expect(reachable.may(address)).toBe(false)
  })

  test('networks that are named are, and no more than those', () => {
    const named = new ReachableAddresses(['10.20.0.0/16', 'fd00:1::/32'].flatMap((text) => parseNetwork(text) ?? []))
    expect(['10.20.3.4', '::ffff:10.20.3.4', 'fd00:1::7'].map((address) => named.may(address))).toEqual([true, true, true])
    expect(['10.21.3.4', '127.0.0.1', 'fd00:2::7'].map((address) => named.may(address))).toEqual([false, false, false])
    expect(['10.20.0.0', '10.20.0.0/33', '::/129', 'x/8', '10.20/16'].map(parseNetwork)).toEqual(Array.from({ length: 5 }, () => undefined))
  })
})

describe('the configuration', () => {
  test.each([
    ['/x509pop/fixed', 'without anything of the node'],
    ['/{{ .PluginName }}/x', 'without anything of the node'],
    ['/{{ .Nope }}', 'a name that is not known'],
    ['/{{ .Fingerprint | upper }}', 'a name that is not known'],
    ['{{ .Fingerprint }}', 'begins with /'],
    ['/a//{{ .Fingerprint }}', 'no empty part'],
    ['/a b/{{ .Fingerprint }}', 'a character that no path may have'],
  ])('the path %s is refused', (template, why) => {
    expect(() => AgentPath.parse(template, x509popNames)).toThrow(why)
  })

  test('every problem is named with its path', () => {
    const problemsOf = (config: object): readonly string[] => {
      const reading = readConfig(JSON.stringify({ nodeAttestors: config }), { nodeAttestors: nodeAttestorFields })
      return reading.ok ? [] : reading.problems.map(({ path }) => path)
    }
    expect(problemsOf({ x509pop: { caBundle: 'x', agentPath: '/x' }, httpChallenge: { allowedHosts: ['.*', '10.0.0.1', 'OK.example.org', '*.example.org'], allowedNetworks: ['10.0.0.0'] } })).toEqual(['nodeAttestors.x509pop.agentPath', ...[0, 1, 2].map((at) => `nodeAttestors.httpChallenge.allowedHosts[${at}]`), 'nodeAttestors.httpChallenge.allowedNetworks[0]'])
    expect(problemsOf({ httpChallenge: { allowedHosts: ['*.example.org'], allowedPorts: [8080], firstUse: false } })).toEqual(['nodeAttestors.httpChallenge.firstUse'])
    expect(problemsOf({ httpChallenge: { allowedHosts: [] } })).toEqual(['nodeAttestors.httpChallenge.allowedHosts'])
    expect(problemsOf({ x509pop: { caBundle: 'x' }, httpChallenge: { allowedHosts: ['*.example.org'] } })).toEqual([])
  })
})

function writePem(hostKey: string, pem: string): void {
  copyFileSync(hostKey, pem)
  execFileSync('ssh-keygen', ['-q', '-p', '-N', '', '-m', 'PEM', '-f', pem])
}

/** The honest answer with its signature made anew, with SHA-1: what SPIRE's agent does with an RSA key. */
function signedWithSha1(pem: string, honest: Uint8Array, challenge: Uint8Array): Uint8Array {
  const said = (message: Uint8Array): Readonly<Record<string, unknown>> => JSON.parse(new TextDecoder().decode(message)) as Record<string, unknown> // messages of the product's own
  const nonceIn = (message: Uint8Array): Buffer => Buffer.from(String(said(message)['Nonce']), 'base64')
  const data = createHash('sha256').update(nonceIn(challenge)).update(nonceIn(honest)).digest()
  return new TextEncoder().encode(JSON.stringify({ ...said(honest), Signature: { Format: 'ssh-rsa', Blob: sign('sha1', data, readFileSync(pem)).toString('base64'), Rest: null } }))
}
