import { expect, test } from 'vitest'

import { parseServerConfig, type ServerConfig } from '../../server/config.ts'
import { MayflyError } from '../../src/core/errors.ts'

const mistakes: readonly (readonly [line: string, path: string])[] = [
  ['trustDomain: Example.ORG', 'trustDomain'],
  ['listen: nowhere', 'listen'],
  ['advertise: "a b:1"', 'advertise'],
  ['adminUids: [0, -1, root]', 'adminUids[1]'],
  ['dev: maybe', 'dev'],
  ['logLevel: loud', 'logLevel'],
  ['maxConnections: 0', 'maxConnections'],
  ['frob: 1', 'frob'],
  ['drain: 5 parsecs', 'drain'],
  ['limits: {signaturesPersecond: 3}', 'limits.signaturesPersecond'],
  ['metrics: {address: 127.0.0.1}', 'metrics.address'],
  ['approvals: {webhook: not-a-url}', 'approvals.webhook'],
  ['crl: {reload: [nginx, -s, reload]}', 'crl.reload'],
  ['tracing: {endpoint: "ftp://x", samplePercent: 101}', 'tracing.endpoint'],
  ['nodeAttestors:', ''],
  ['  x509pop: {caBundle: /ca.pem, agentPath: /fixed}', 'nodeAttestors.x509pop.agentPath'],
  ['  httpChallenge:', ''],
  ['    allowedHosts: ["*", 10.0.0.1]', 'nodeAttestors.httpChallenge.allowedHosts[1]'],
  ['    allowedNetworks: [10.0.0.0/33]', 'nodeAttestors.httpChallenge.allowedNetworks[0]'],
  ['    allowedPorts: [80, 700000]', 'nodeAttestors.httpChallenge.allowedPorts[1]'],
  ['ca:', ''],
  ['  keyStorage: floppy', 'ca.keyStorage'],
  ['  keyType: rsa-1024', 'ca.keyType'],
  ['  x509SvidTtl: 2h', 'ca.x509SvidTtl'],
  ['  upstream: {certPath: /x}', 'ca.upstream'],
]

test('administrators are named by a uid or an ID, with roles that there are, and nobody twice', () => {
  const read = (admins: string): ServerConfig => parseServerConfig(`trustDomain: example.org\nadmins:\n${admins}`, {}, 'server.yaml', 1000)
  expect(read('  - uid: 7\n    roles: [read, revoke]\n  - spiffeId: spiffe://example.org/ops\n    roles: [root]\n').admins).toEqual([{ uid: 7, spiffeId: undefined, roles: ['read', 'revoke'] }, { uid: undefined, spiffeId: 'spiffe://example.org/ops', roles: ['root'] }])
  for (const [admins, problem] of [
    ['  - roles: [read]\n', 'names either a uid or a spiffeId'],
    ['  - uid: 7\n    spiffeId: spiffe://a/b\n    roles: [read]\n', 'names either a uid or a spiffeId'],
    ['  - spiffeId: ops\n    roles: [read]\n', 'not a SPIFFE ID'],
    ['  - uid: 7\n    roles: []\n', 'at least one role'],
    ['  - uid: 7\n    roles: [emperor]\n', 'must be one of read, register, revoke, policy, authority, root'],
    ['  - uid: 1000\n    roles: [read]\n', 'uid 1000 is one of adminUids, who may do everything'],
  ] as const) expect(() => read(admins)).toThrow(problem)
})

test('twenty mistakes in one file are told at once, each with its line and path', () => {
  const told = problemsOf(mistakes.map(([line]) => line).join('\n'))
  const wanted = mistakes.flatMap(([, path], at) => (path === '' ? [] : [`server.yaml:${at + 1}: ${path}: `]))
  expect(wanted.length).toBeGreaterThan(20)
  expect(wanted.filter((start) => !told.some((line) => line.startsWith(start)))).toEqual([])
})

test('what does not fit together is told with its line too', () => {
  expect(problemsOf(`trustDomain: a\nadminSocket: /${'ü'.repeat(60)}\n`)).toEqual([expect.stringMatching(/^server\.yaml:2: adminSocket: longer than the 107 bytes/)])
  expect(problemsOf('trustDomain: a\nca:\n  keyStorage: pkcs11\n  pkcs11: {module: /m.so}\n')).toEqual([expect.stringMatching(/^server\.yaml:4: ca\.pkcs11: keyStorage pkcs11 wants a module/)])
})

function problemsOf(yaml: string): readonly string[] {
  try {
    parseServerConfig(yaml, {}, 'server.yaml', 0)
    return []
  } catch (error) {
    return error instanceof MayflyError ? error.message.split('\n') : [String(error)]
  }
}
