import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { reachFinding } from '../../src/cli/doctor/agent.ts'
import { attestorsFinding } from '../../src/cli/doctor/attestors.ts'
import { offsetFinding } from '../../src/cli/doctor/clock.ts'
import { dataFindings, roomFinding } from '../../src/cli/doctor/files.ts'
import { nodeFinding } from '../../src/cli/doctor/machine.ts'
import { addressFinding, authorityFinding, versionFinding } from '../../src/cli/doctor/server.ts'
import { secretFinding } from '../../src/cli/doctor/upstream.ts'
import { systemClock } from '../../src/system/clock.ts'
import { Shell } from '../support/cli/transcript.ts'
import { Product } from '../support/product/product.ts'
import { startServer } from '../support/server/test-server.ts'

describe('mayfly doctor beside a server and an agent', () => {
  let product: Product
  let shell: Shell
  beforeAll(async () => {
    product = await Product.start()
    const agent = await product.startAgent()
    shell = new Shell(product.dir, { MAYFLY_SERVER_SOCKET: product.adminSocket, MAYFLY_AGENT_SOCKET: agent.adminSocket, NODE_NO_WARNINGS: '1' })
  })
  afterAll(async () => {
    await product[Symbol.asyncDispose]()
  })

  test('finds nothing that fails, and says what it looked at', async () => {
    const { out, code } = await shell.exec('mayfly doctor --json')
    const said = JSON.parse(out) as { readonly ok: boolean; readonly findings: readonly { readonly check: string; readonly status: string; readonly detail: string }[] } // what --json promises
    expect(said.findings.filter(({ status }) => status === 'fail')).toEqual([])
    expect([said.ok, code]).toEqual([true, 0])
    expect(said.findings.map(({ check }) => check)).toEqual([
      'node', 'kernel.peer', 'kernel.pidfd', 'kernel.cgroup',
      'server.serving', 'server.version', 'server.authority', 'server.agents', 'server.attestors', 'server.clock', 'server.folder', 'server.secrets', 'server.disk',
      'agent.serving', 'agent.version', 'agent.connection', 'agent.svid', 'agent.svids', 'agent.revocations', 'agent.workload_socket', 'agent.clock', 'agent.folder', 'agent.secrets', 'agent.disk',
    ])
  })

  test('says what fails and what to do, with exit code 1, once the server is gone and the folder open', async () => {
    await product.server.kill('SIGKILL')
    chmodSync(join(product.dir, 'server'), 0o755)
    const { out, code } = await shell.exec('mayfly doctor')
    expect(code).toBe(1)
    expect(out).toMatch(/^fail {2}server\.serving/m)
    expect(out).toMatch(/^fail {2}server\.folder.*\n.*→ chmod 0700/m)
    expect(out).toMatch(/^fail {2}agent\.connection/m)
    expect(out).toMatch(/^fail {2}agent\.reach.*ECONNREFUSED/m)
  })

  test('a server that is named and not there is missed', async () => {
    const { out, code } = await shell.exec('mayfly doctor --server-socket nowhere.sock')
    expect(out).toMatch(/^fail {2}server\.serving +no server listens at nowhere\.sock/m)
    expect(code).toBe(1)
  })

  test('without either there is one line to begin with', async () => {
    const { out, code } = await shell.exec('cd bin && env -u MAYFLY_SERVER_SOCKET -u MAYFLY_AGENT_SOCKET mayfly doctor')
    expect(out).toContain('no server and no agent here')
    expect(code).toBe(1)
  })
})

test('the data folder is that of the server, wherever its socket lies', async () => {
  const [sockets, data] = [mkdtempSync(join(tmpdir(), 'mf-')), mkdtempSync(join(tmpdir(), 'mf-'))]
  onTestFinished(() => [sockets, data].forEach((folder) => rmSync(folder, { recursive: true })))
  chmodSync(sockets, 0o750)
  const adminSocket = join(sockets, 'admin.sock')
  const { stop } = await startServer({ dataDir: data, config: { adminSocket } })
  const shell = new Shell(sockets, { MAYFLY_SERVER_SOCKET: adminSocket, NODE_NO_WARNINGS: '1' })
  const { out } = await shell.exec('mayfly doctor')
  expect(out).toContain(`server.folder          ${data} has mode 0700\n`)
  expect(out).toMatch(/^ok {4}server\.secrets +1 files/m)
  await stop()
  expect((await shell.exec('mayfly doctor')).out).not.toContain('server.folder')
})

test('a PIN that others may read is named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const pin = join(folder, 'pin')
  writeFileSync(pin, '4321')
  chmodSync(pin, 0o640)
  expect(secretFinding('server.pin', pin, 'set another')).toEqual([{ check: 'server.pin', status: 'fail', detail: `${pin} can be read by others`, todo: `chmod 0600 ${pin}; set another` }])
  chmodSync(pin, 0o600)
  expect(secretFinding('server.pin', pin, 'set another')).toMatchObject([{ status: 'ok' }])
  expect([...secretFinding('server.pin', '', 'set another'), ...secretFinding('server.pin', join(folder, 'none'), 'set another')]).toEqual([])
})

test.each([
  [2_000, 10, 'fail'],
  [-2_000, 10, 'fail'],
  [900, 10, 'warn'],
  [1_100, 200, 'warn'],
  [200, 5, 'ok'],
  [5_000, 5_000, 'ok'],
] as const)('a clock off by %i ± %i ms: %s', (offset, error, status) => {
  expect(offsetFinding('agent.clock', offset, error).status).toBe(status)
})

test.each([
  [{ bavail: 10, blocks: 1_000_000, bsize: 4_096 }, 'fail'],
  [{ bavail: 100_000, blocks: 1_000_000, bsize: 4_096 }, 'warn'],
  [{ bavail: 900_000, blocks: 1_000_000, bsize: 4_096 }, 'ok'],
  [{ bavail: 1_000_000, blocks: 100_000_000, bsize: 4_096 }, 'warn'],
] as const)('room %o: %s', (room, status) => {
  expect(roomFinding('server.disk', room).status).toBe(status)
})

test.each([
  ['0.3.0', '0.3.0', 'ok'],
  ['0.3.5', '0.4.0', 'ok'],
  ['0.2.0', '0.4.0', 'warn'],
  ['1.0.0', '0.4.0', 'warn'],
] as const)('server %s beside this CLI %s: %s', (theirs, own, status) => {
  expect(versionFinding('server', theirs, own).status).toBe(status)
})

test('an old Node is named', () => {
  expect(nodeFinding('20.11.0')).toMatchObject({ status: 'fail', todo: expect.stringContaining('24') })
  expect(nodeFinding('24.0.0').status).toBe('ok')
})

test('an authority that ends, is missing, overdue or tainted is named', () => {
  const authority = { id: 'ab'.repeat(32), state: 'active', notAfterMs: 10 * 86_400_000, nextTransitionAtMs: 5 * 86_400_000 }
  const at = (authorities: readonly object[], nowMs = 0): string => authorityFinding({ authorities } as unknown as Parameters<typeof authorityFinding>[0], nowMs).status // what is looked at
  expect(at([authority])).toBe('ok')
  expect(at([])).toBe('fail')
  expect(at([authority], 10 * 86_400_000 - 60_000)).toBe('fail')
  expect(at([authority], 6 * 86_400_000)).toBe('warn')
  expect(at([authority, { ...authority, state: 'tainted' }])).toBe('warn')
})

test('a node attestor whose file is spoilt, or whose authorities end, is named', () => {
  const dayMs = 86_400_000
  const token = { type: 'join_token', problem: '', authoritiesNotAfterMs: 0 }
  const at = (nowMs: number, ...others: readonly (typeof token)[]): string => attestorsFinding([token, ...others], nowMs).status
  expect(at(0)).toBe('ok')
  expect(at(0, { type: 'x509pop', problem: '', authoritiesNotAfterMs: 90 * dayMs })).toBe('ok')
  expect(at(70 * dayMs, { type: 'x509pop', problem: '', authoritiesNotAfterMs: 90 * dayMs })).toBe('warn')
  expect(at(90 * dayMs, { type: 'x509pop', problem: '', authoritiesNotAfterMs: 90 * dayMs })).toBe('fail')
  expect(attestorsFinding([token, { type: 'sshpop', problem: 'there is no file x', authoritiesNotAfterMs: 0 }], 0)).toMatchObject({ status: 'fail', detail: 'sshpop: there is no file x' })
})

test('a key that others can read is named, with the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'agent.key'), 'x', { mode: 0o644 })
  expect(dataFindings('agent', folder).find(({ check }) => check === 'agent.secrets')).toMatchObject({ status: 'fail', detail: expect.stringContaining('agent.key') })
  chmodSync(join(folder, 'agent.key'), 0o600)
  expect(dataFindings('agent', folder).find(({ check }) => check === 'agent.secrets')?.status).toBe('ok')
})

test('an address that takes connections is told from one that does not', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  expect((await reachFinding(`127.0.0.1:${port}`, systemClock)).status).toBe('ok')
  await new Promise((resolve) => server.close(resolve))
  expect((await reachFinding(`127.0.0.1:${port}`, systemClock)).status).toBe('fail')
  expect((await reachFinding('nowhere', systemClock)).status).toBe('fail')
})

test('join lines that lead nowhere from another machine are warned of', () => {
  expect(addressFinding('0.0.0.0:8081')).toMatchObject([{ check: 'server.address', status: 'warn' }])
  expect(addressFinding('mayfly.internal:8081')).toEqual([])
})
