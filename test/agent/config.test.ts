import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { parseAgentConfig } from '../../agent/config.ts'
import { formatJoinLine } from '../../src/core/join-line.ts'
import { parseTrustDomain } from '../../src/core/spiffe-id.ts'
import { main, node24 } from '../support/product/process.ts'

describe('the configuration of an agent', () => {
  test('sockets are below the data folder unless they are named', () => {
    const config = parseAgentConfig('dataDir: /run/mayfly\n', {}, 'agent.yaml', 1000)
    expect(config).toMatchObject({ workloadSocket: '/run/mayfly/workload.sock', adminSocket: '/run/mayfly/admin.sock', adminUids: [1000], onlyOwnAdmin: true, keyStorage: 'disk', bindingTier: 'auto' })
    expect(Object.isFrozen(config)).toBe(true)
  })

  test('every problem is reported at once, with its path and line', () => {
    const text = 'dataDir: /run/mayfly\nnonsense: 1\nattest:\n  bindingTier: strong\nlimits:\n  maxSvids: 0\n'
    let message = ''
    try {
      parseAgentConfig(text, {}, 'agent.yaml', 0)
    } catch (error) {
      message = String(error)
    }
    expect(message).toMatch(/agent\.yaml:2: nonsense/)
    expect(message).toMatch(/agent\.yaml:4: attest\.bindingTier/)
    expect(message).toMatch(/agent\.yaml:6: limits\.maxSvids/)
  })

  test('one admin of another uid is not kept out by the mode of the socket', () => {
    expect(parseAgentConfig('adminUids: [1001]\n', {}, 'agent.yaml', 0).onlyOwnAdmin).toBe(false)
    expect(parseAgentConfig('adminUids: [0]\n', {}, 'agent.yaml', 0).onlyOwnAdmin).toBe(true)
  })

  test('a node proves itself in one way, knows its server in one way, and has no token beside', () => {
    const problems = (text: string): string => {
      try {
        parseAgentConfig(text, {}, 'agent.yaml', 0)
        return ''
      } catch (error) {
        return String(error)
      }
    }
    const place = 'server: a:1\ntrustDomain: example.org\n'
    const digest = `trustBundleDigest: ${'ab'.repeat(32)}\n`
    const ssh = 'nodeAttestor:\n  sshpop: {}\n'
    expect(problems(place + digest + ssh)).toBe('')
    expect(parseAgentConfig(place + digest + ssh, {}, 'agent.yaml', 0).nodeAttestor.sshpop).toEqual({ hostKey: '/etc/ssh/ssh_host_ed25519_key', hostCertificate: '/etc/ssh/ssh_host_ed25519_key-cert.pub' })
    expect(problems(place + ssh)).toContain('nodeAttestor: needs a trustBundleFile or a trustBundleDigest')
    expect(problems(`${place}${digest}${ssh}  x509pop: { certificate: a, key: b }\n`)).toContain('keep one of x509pop, httpChallenge and sshpop')
    expect(problems(`${place}${digest}${ssh}joinToken: ${'t'.repeat(20)}\n`)).toContain('this node joins with a token')
    expect(problems(`${place}${ssh}trustBundleDigest: ${'AB'.repeat(32)}\n`)).toContain('trustBundleDigest: must be a SHA-256')
    expect(problems(`${place}${digest}${ssh}trustBundleFile: x\n`)).toContain('there is another way to know the server by')
    expect(problems(`${place}${digest}nodeAttestor:\n  httpChallenge: { hostName: 10.0.0.1, agentName: 1x }\n`)).toMatch(/hostName: must be a DNS name[^]*agentName: must be a letter/)
    expect(problems(`${place}${digest}nodeAttestor:\n  x509pop: { certificate: a }\n`)).toContain('nodeAttestor.x509pop')
  })

  test('who knows the revocations of another trust domain is one of a stream nearby, a file of lists, and nobody; of the own it is its own stream', () => {
    const of = (...items: readonly string[]): string => `trustDomain: example.org\ncheck:\n  elsewhere:\n${items.map((item) => `    - { ${item} }\n`).join('')}`
    const problems = (...items: readonly string[]): string => {
      try {
        parseAgentConfig(of(...items), {}, 'agent.yaml', 0)
        return ''
      } catch (error) {
        return String(error)
      }
    }
    expect(parseAgentConfig(of("trustDomain: a.example, stream: ['unix:/run/a.sock', 'plain:127.0.0.1:9']", 'trustDomain: b.example, lists: /b.pem', 'trustDomain: c.example, unchecked: true'), {}, 'agent.yaml', 0).checkElsewhere).toEqual([
      { trustDomain: 'a.example', kind: 'stream', places: [{ kind: 'unix', path: '/run/a.sock' }, { kind: 'plain', host: '127.0.0.1', port: 9 }] },
      { trustDomain: 'b.example', kind: 'lists', file: '/b.pem' },
      { trustDomain: 'c.example', kind: 'unchecked' },
    ])
    expect(parseAgentConfig('', {}, 'agent.yaml', 0).checkElsewhere).toEqual([])
    for (const vague of ['trustDomain: a.example', 'trustDomain: a.example, unchecked: false', 'trustDomain: a.example, unchecked: true, lists: /b.pem']) expect(problems(vague)).toContain('check.elsewhere[0]: one of stream, lists and unchecked: true')
    expect(problems('trustDomain: a.example, lists: b.pem')).toContain('begins with /')
    expect(problems("trustDomain: a.example, stream: ['relay:8443']")).toContain('over a socket or from loopback')
    expect(problems('trustDomain: a.example, stream: []')).toContain('a stream is read somewhere')
    expect(problems("trustDomain: a.example, stream: ['x']")).toContain('not a place')
    expect(problems('trustDomain: a.example, unchecked: true', 'trustDomain: a.example, lists: /b.pem')).toContain('check.elsewhere[1]: a.example is named twice')
    expect(problems('trustDomain: example.org, unchecked: true')).toContain('check.elsewhere[0]: example.org is the trust domain of this agent')
  })

  test('a flag stands in the place of what the file says', () => {
    expect(parseAgentConfig('logLevel: info\n', { logLevel: 'debug' }, 'agent.yaml', 0).logLevel).toBe('debug')
  })

  test('a socket path that the kernel would not take is refused', () => {
    expect(() => parseAgentConfig(`dataDir: /${'x'.repeat(120)}\n`, {}, 'agent.yaml', 0)).toThrow(/107 bytes/)
  })

  test('a data folder below which the sockets of grants would have no room is refused at the start, by as much as is too much', () => {
    expect(parseAgentConfig(`dataDir: /${'x'.repeat(67)}\n`, {}, 'agent.yaml', 0).workloadSocket).toHaveLength(82)
    expect(() => parseAgentConfig(`dataDir: /${'x'.repeat(70)}\n`, {}, 'agent.yaml', 0)).toThrow(/agent\.yaml:1: dataDir: longer by 3 bytes than the 68/)
  })

  test('the join line may be in a file, which may be gone', () => {
    const line = formatJoinLine({ address: '127.0.0.1:8081', token: 'a'.repeat(20), trustDomain: parseTrustDomain('example.org'), bundleDigest: '0'.repeat(64) })
    const config = (text: string | undefined) => parseAgentConfig('', { joinFile: '/run/join' }, 'flags', 0, (path) => (path === '/run/join' ? text : undefined))
    expect(config(`${line}\n`)).toMatchObject({ join: { token: 'a'.repeat(20) }, serverAddress: '127.0.0.1:8081', trustDomain: 'example.org' })
    expect(config(undefined)).toMatchObject({ join: undefined, joinFile: '/run/join' })
    expect(() => config('')).toThrow(expect.objectContaining({ code: 'JOIN_LINE_INVALID' }))
    expect(() => parseAgentConfig('', { join: line, joinFile: '/run/join' }, 'flags', 0, () => line)).toThrow(/joinFile: there is a join line already/)
  })

  test('a join line is refused without being repeated, for it is a secret', () => {
    expect(() => parseAgentConfig('', { join: 'mayfly-join:v1:c2VjcmV0' }, 'flags', 0)).toThrow(/^(?!.*c2VjcmV0)/)
  })
})

test('the join line comes over standard input, and what is wrong with it is said without repeating it', () => {
  const line = formatJoinLine({ address: '127.0.0.1:8081', token: 'a'.repeat(20), trustDomain: parseTrustDomain('example.org'), bundleDigest: '0'.repeat(64) })
  const check = (input: string) => spawnSync(node24, [main('agent'), '--join-file', '-', '--check-config'], { input, encoding: 'utf8' })
  expect(check(`${line}\n`)).toMatchObject({ status: 0, stderr: '' })
  const refused = check('secret of another kind')
  expect(refused.status).toBe(1)
  expect(refused.stderr).toMatch(/^mayfly: not a join line(?!.*secret)/)
})
