import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { X509Source } from '../../src/client/index.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { postCheck } from '../support/agent/check.ts'
import { Shell } from '../support/cli/transcript.ts'
import { Product } from '../support/product/product.ts'

const uid = process.geteuid?.() ?? 0
const api = 'spire.api.server.bundle.v1.Bundle' as const
const partner = 'partner.example'

test("the agent's check takes a peer of another trust domain by the word of whom its configuration names: that trust domain's stream, its lists, or nobody; and again after a reload and a restart", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const config = join(folder, 'agent.yaml')
  writeFileSync(config, 'logLevel: info\n')
  await using here = await Product.start()
  await using there = await Product.start({ trustDomain: partner, serverArgs: ['--config', serverFile(folder)] })
  const bundle = await there.admin.unary(api, 'GetBundle', {})
  expect((await here.admin.unary(api, 'BatchSetFederatedBundle', { bundle: [bundle] })).results).toMatchObject([{ status: { code: 0 } }])

  const theirs = await there.startAgent()
  const [theirAgent = ''] = await there.agentIds()
  await there.createEntries(['/web', '/db'].map((path) => ({ spiffeId: `spiffe://${partner}${path}`, parentId: theirAgent, selectors: [`unix:uid:${uid}`], keepOnExit: true })))
  const source = await X509Source.start({ endpoint: `unix://${theirs.workloadSocket}` })
  onTestFinished(async () => await source[Symbol.asyncDispose]())
  const chainOf = (path: string): string => encodeCertificatesPem(source.svids.find(({ id }) => id === `spiffe://${partner}${path}`)?.certificateChain ?? [])
  await expect.poll(() => chainOf('/db')).not.toBe('')
  const [web, db] = [chainOf('/web'), chainOf('/db')]

  const agent = await here.startAgent(['--config', config])
  const [parentId = ''] = await here.agentIds()
  const parent = { trustDomain: 'example.org', path: parentId.slice('spiffe://example.org'.length) }
  await here.admin.unary('mayfly.v1.Registry', 'CreateEntries', { entries: [{ entry: { spiffeId: { trustDomain: 'example.org', path: '/shop' }, parentId: parent, selectors: [{ type: 'unix', value: `uid:${uid}` }], federatesWith: [partner] }, options: {} }] })
  const check = async (chain: string, wanted: string): Promise<Readonly<Record<string, unknown>>> => (await postCheck(join(dirname(agent.workloadSocket), 'check.sock'), { chain, allow: [`spiffe://${partner}`], class: wanted })).body
  const shell = new Shell(folder, { MAYFLY_AGENT_SOCKET: agent.adminSocket })
  const say = async (item: string): Promise<void> => {
    writeFileSync(config, `check:\n  elsewhere:\n    - { trustDomain: ${partner}, ${item} }\n`)
    expect(await shell.run('mayfly agent reload')).toBe('in force: check.elsewhere')
  }
  await expect.poll(async () => (await check(web, 'standard'))['verdict'], { timeout: 30_000 }).toBe('unindexed')

  await say(`stream: ['unix:${theirs.workloadSocket}']`)
  await expect.poll(async () => await check(web, 'strict'), { timeout: 30_000 }).toMatchObject({ accepted: true, class: 'strict', stale: false })
  const before = await check(web, 'strict')
  const { epoch, streamSeq } = await there.admin.unary('mayfly.v1.Revocations', 'Revoke', { target: { spiffeId: `spiffe://${partner}/web` }, reason: 'test', rotate: false, dryRun: false })
  await expect.poll(async () => await check(web, 'strict'), { timeout: 30_000 }).toMatchObject({ accepted: false, verdict: 'revoked', authorityId: before['authorityId'], epoch, seq: streamSeq })

  await agent.program?.kill('SIGKILL')
  await agent.start()
  await expect.poll(async () => (await check(db, 'strict'))['verdict'], { timeout: 30_000 }).toBe('accepted')
  expect(await check(web, 'strict')).toMatchObject({ verdict: 'revoked' })

  const listed = join(folder, 'crl', 'crl.pem')
  await say(`lists: ${listed}`)
  await expect.poll(async () => (await check(db, 'available'))['verdict'], { timeout: 60_000 }).toBe('accepted')
  await expect.poll(async () => (await check(web, 'available'))['verdict'], { timeout: 60_000 }).toBe('revoked')

  await say('unchecked: true')
  await expect.poll(async () => await check(web, 'strict'), { timeout: 30_000 }).toMatchObject({ accepted: true, class: '', ageMs: -1, epoch: 0, seq: 0 })

  writeFileSync(config, 'logLevel: info\n')
  expect(await shell.run('mayfly agent reload')).toBe('in force: check.elsewhere')
  await expect.poll(async () => (await check(db, 'available'))['verdict'], { timeout: 30_000 }).toBe('unindexed')
})

function serverFile(folder: string): string {
  const file = join(folder, 'server.yaml')
  writeFileSync(file, `crl:\n  directory: ${join(folder, 'crl')}\n`)
  return file
}
