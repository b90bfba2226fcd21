import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { node24, Program, root } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { secureContextOf } from '../../src/rpc/tls-context.ts'
import { systemClock } from '../../src/system/clock.ts'
import { attest, temporaryFolder, wireEntry } from '../support/server/test-server.ts'

const main = join(root, 'server/main.ts')

async function product(): Promise<Product> {
  const started = await Product.start({ serverArgs: ['--dev'] })
  onTestFinished(async () => started[Symbol.asyncDispose]())
  return started
}

test('the process serves, survives kill -9 with all that it acknowledged, and drains at SIGTERM', async () => {
  const server = await product()
  const tls = (identity?: Parameters<typeof secureContextOf>[0]): RpcChannel => {
    const channel = RpcChannel.connectTls({ clock: systemClock, address: server.address, context: () => secureContextOf(identity), verifyPeer: () => undefined })
    onTestFinished(() => channel.close())
    return channel
  }
  const { agentToken } = await server.joinLine()
  const agent = await attest(tls(), tls, agentToken)
  const { results } = await server.admin.unary('spire.api.server.entry.v1.Entry', 'BatchCreateEntry', { entries: [wireEntry('/web', agent.id)] })
  expect(results[0]?.status?.code).toBe(0)
  const before = await server.admin.unary('mayfly.v1.Status', 'Get', {})
  agent.channel.close()

  await server.killServer('SIGKILL')
  await server.startServer()
  const after = await server.admin.unary('mayfly.v1.Status', 'Get', {})
  expect(after).toMatchObject({ entries: 1, agents: 1, epoch: before.epoch, bundleDigest: before.bundleDigest })
  expect(after.authorities.map(({ id }) => id)).toEqual(before.authorities.map(({ id }) => id))
  const { entries } = await tls(agent.identity).unary('spire.api.server.entry.v1.Entry', 'GetAuthorizedEntries', {})
  expect(entries).toHaveLength(1)
  await expect(attest(tls(), tls, agentToken)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })

  server.server.child.kill('SIGTERM')
  expect(await server.server.ended()).toBe(0)
})

test('a server whose store is gone says so and ends, for its service manager to start it again', async () => {
  const folder = temporaryFolder()
  const preload = `import{isMainThread as m,threadName as t}from"node:worker_threads";import{existsSync as e}from"node:fs";if(!m&&t==="store")setInterval(()=>{if(e(${JSON.stringify(join(folder, 'now'))}))process.exit(9)},20)`
  const server = await Product.start({ server: { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` } } })
  onTestFinished(async () => server[Symbol.asyncDispose]())
  writeFileSync(join(folder, 'now'), '')
  expect(await server.server.ended()).toBe(1)
  expect(server.server.errors).toContain('"event":"store.lost"')
  expect(server.server.errors.trimEnd().split('\n').slice(-2)).toEqual(["mayfly: the store's worker ended: it exited with 9", expect.stringMatching(/^hint: start the server again/)])
})

test('what fails after the store began to open ends the process: nothing that was begun holds it', async () => {
  const folder = temporaryFolder()
  const server = new Program(node24, [main, '--trust-domain', 'example.org', '--data', folder, '--listen', '127.0.0.1:0'], { env: { LISTEN_FDS: '1', LISTEN_FDNAMES: 'nonsense', NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent('process.env.LISTEN_PID=String(process.pid)')}` } })
  expect(await server.ended()).toBe(1)
  expect(server.errors).toMatch(/^mayfly: the service manager hands over a socket named "nonsense"\nhint: /m)
})

test('without a trust domain it says which flag and which key give one', async () => {
  const server = new Program(node24, [main, '--data', temporaryFolder()])
  expect(await server.ended()).toBe(1)
  expect(server.errors).toContain('mayfly: flags: trustDomain: required: say it with --trust-domain, or as trustDomain in a file that --config names\n')
})

test('a second process on the same data is refused in two lines, with the pid of the first', async () => {
  const server = await product()
  const second = new Program(node24, [main, '--trust-domain', 'example.org', '--data', join(server.dir, 'server'), '--listen', '127.0.0.1:0'])
  expect(await second.ended()).toBe(1)
  const [what, hint] = second.errors.trimEnd().split('\n').slice(-2)
  expect(what).toMatch(new RegExp(`^mayfly: .*held by process ${server.server.pid}`))
  expect(hint).toMatch(/^hint: /)
})

test.each([
  ['a good configuration', 'trustDomain: example.org\nca:\n  x509SvidTtl: 5m\n', 0, ''],
  ['an unknown key and a bad duration', 'trustDomain: example.org\nca:\n  x509SvidTTL: 5m\n  authorityTtl: 7\n', 1, ':3: ca.x509SvidTTL: unknown key; did you mean x509SvidTtl?'],
  ['a TTL over the profile', 'trustDomain: example.org\nca: { x509SvidTtl: 2h }\n', 1, 'ca.x509SvidTtl: must be'],
])('--check-config: %s', (_, yaml, code, said) => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'd'))
  const file = join(folder, 'd', 'server.yaml')
  writeFileSync(file, yaml)
  const { status, stderr } = spawnSync(node24, [main, '--config', file, '--check-config'], { encoding: 'utf8' })
  expect(status).toBe(code)
  expect(stderr).toContain(said)
})

test('an unknown flag ends in two lines and exit code 1', () => {
  const { status, stderr } = spawnSync(node24, [main, '--what'], { encoding: 'utf8' })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^mayfly: unknown option '--what'.*\nhint: .*\n$/)
})
