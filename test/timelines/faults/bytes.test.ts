import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, type TestContext } from 'vitest'
import { SeededRandom } from '../../support/agent/quiet.ts'
import { Audit, wait, type AuditOptions } from '../../support/faults/audit.ts'
import { FlippingProxy, flippedBit } from '../../support/faults/flipping-proxy.ts'
import { row } from '../../support/faults/row.ts'

async function begin({ onTestFinished }: TestContext, options: AuditOptions = {}): Promise<Audit> {
  const audit = await Audit.start(options)
  onTestFinished(() => audit[Symbol.asyncDispose]())
  return audit
}

async function kept({ onTestFinished }: TestContext, proxy: Promise<FlippingProxy>): Promise<FlippingProxy> {
  const started = await proxy
  onTestFinished(() => started[Symbol.asyncDispose]())
  return started
}

describe.concurrent('a bit is flipped on the way', () => {
  test('between agent and verifier, in each third piece that comes: forged frames are passed over, broken connections made anew', async (context) => {
    let proxy: FlippingProxy | undefined
    const audit = await begin(context, {
      socketOf: async (agent) => {
        const path = join(agent.dir, 'spoilt.sock')
        proxy = await kept(context, FlippingProxy.start({ path: agent.workloadSocket }, new SeededRandom(), path))
        return path
      },
    })
    if (proxy === undefined) throw new Error('no way in between')
    const { flipped } = proxy
    proxy.oneIn = 3
    await audit.until(() => (proxy?.flipped ?? 0) > flipped + 3, 'some bits were flipped')
    await audit.revoke()
    await wait(6_000)
    proxy.oneIn = 0
    row(`bits flipped between agent and verifier (${proxy.flipped})`, audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })

  test('between server and agent: TLS notices each', async (context) => {
    let proxy: FlippingProxy | undefined
    const audit = await begin(context, {
      wayToServer: async (address) => {
        const [host = '', port = ''] = address.split(':')
        proxy = await kept(context, FlippingProxy.start({ host, port: Number(port) }, new SeededRandom()))
        return `127.0.0.1:${proxy.port}`
      },
    })
    if (proxy === undefined) throw new Error('no way in between')
    const { flipped } = proxy
    proxy.oneIn = 3
    await audit.until(() => (proxy?.flipped ?? 0) > flipped + 3, 'some bits were flipped')
    await audit.revoke()
    await wait(6_000)
    proxy.oneIn = 0
    row(`bits flipped between server and agent (${proxy.flipped})`, audit, await audit.recovers())
    expect(audit.broken).toEqual([])
  })
})

describe.concurrent('a bit is flipped on disk', () => {
  test('in any file of the agent, or the one of the verifier: both start on what they have, and are fresh again', async (context) => {
    const audit = await begin(context)
    await audit.revoke()
    await audit.until(() => audit.verdict(audit.bad, 'available') === 'revoked', 'revoked')
    await audit.until(() => [audit.headFile, join(audit.agent.dir, 'revocation-head.json')].every((path) => existsSync(path)), 'the heads are on disk')
    const random = new SeededRandom()
    const files = readdirSync(audit.agent.dir).map((name) => join(audit.agent.dir, name)).filter((path) => statSync(path).isFile() && statSync(path).size > 0)
    const names = files.map((path) => path.slice(audit.agent.dir.length + 1))
    expect(names).toEqual(expect.arrayContaining(['agent.key', 'agent.svid.pem', 'bundle.json', 'server.json', 'revocation-head.json']))
    let slowestMs = 0
    for (const path of [...files, audit.headFile]) {
      await Promise.all([audit.verifier.kill('SIGTERM'), audit.agent.kill('SIGTERM')])
      const [whole, spoilt] = [readFileSync(path), flippedBit(readFileSync(path), random)]
      writeFileSync(path, spoilt)
      await audit.agent.start()
      audit.startVerifier()
      slowestMs = Math.max(slowestMs, await audit.recovers())
      if (readFileSync(path).equals(spoilt)) writeFileSync(path, whole) // one at a time
    }
    row(`a bit flipped in each of ${files.length + 1} files`, audit, slowestMs)
    expect(audit.broken).toEqual([])
  })
})

test.concurrent('the database of the server is copied back to before the revocation, under a running agent and verifier: what was revoked stays refused; with the right one put back all is well', async (context) => {
  const audit = await begin(context)
  const { product } = audit
  const [data, copy, newer] = ['server', 'copied-before', 'newer'].map((name) => join(product.dir, name)) as [string, string, string] // as many as names
  await product.killServer('SIGTERM')
  cpSync(data, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  await product.startServer()
  await audit.revoke()
  await audit.until(() => audit.verdict(audit.bad, 'available') === 'revoked', 'revoked')
  const lastMs = await audit.settled(audit.bad, 'available')
  await product.killServer('SIGTERM')
  renameSync(data, newer)
  cpSync(copy, data, { recursive: true })
  await product.startServer()
  await audit.until(() => audit.verdict(audit.good, 'strict') === 'stale', 'nobody is told anything by it')
  await wait(5_000)
  expect(audit.verdict(audit.bad, 'strict')).not.toBe('accepted')
  expect(audit.lastAccepted(audit.bad, 'available')).toBe(lastMs)
  await product.killServer()
  rmSync(data, { recursive: true })
  renameSync(newer, data)
  await product.startServer()
  row('database copied back', audit, await audit.recovers())
  expect(audit.lastAccepted(audit.bad, 'available')).toBe(lastMs)
  expect(audit.broken).toEqual([])
})
