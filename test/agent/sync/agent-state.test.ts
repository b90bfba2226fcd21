import { describe, expect, test } from 'vitest'
import { AgentState } from '../../../agent/sync/agent-state.ts'
import { agentSvidOf } from '../../../agent/sync/agent-svid.ts'
import type { AgentSvid } from '../../../agent/sync/agent-svid.ts'
import { parseTrustDomain } from '../../../src/core/spiffe-id.ts'
import { buildCsr } from '../../../src/x509/csr-builder.ts'
import { PrivateKey } from '../../../src/x509/private-key.ts'
import { MemoryFiles } from '../../support/agent/memory-files.ts'
import { TestIssuer } from '../../support/agent/test-issuer.ts'

const nowMs = Date.UTC(2026, 0, 1)
const issuer = new TestIssuer('test.example', nowMs)

describe('the identity of an agent on disk', () => {
  test('it comes back as it was', async () => {
    const files = new MemoryFiles()
    const svid = anSvid()
    await new AgentState(files, 'disk').saveSvid(svid)
    expect((await new AgentState(files, 'disk').loadSvid())?.serial).toBe(svid.serial)
  })

  test('wherever a renewal crashes, an SVID with its key is left: the old one or the new one', async () => {
    for (let changes = 0; changes <= 9; changes++) {
      const files = new MemoryFiles()
      const state = new AgentState(files, 'disk')
      const [old, renewed] = [anSvid(), anSvid()]
      await state.saveSvid(old)
      files.changesLeft = changes
      await state.saveSvid(renewed).catch(() => undefined)
      files.changesLeft = Number.POSITIVE_INFINITY
      const left = await state.loadSvid()
      expect([old.serial, renewed.serial]).toContain(left?.serial)
    }
  })

  test('with keys in memory nothing secret is written', async () => {
    const files = new MemoryFiles()
    const state = new AgentState(files, 'memory')
    await state.saveSvid(anSvid())
    await state.saveServer({ address: '127.0.0.1:1', trustDomain: parseTrustDomain('test.example') })
    expect([...files.contents.keys()]).toEqual(['server.json.spare', 'server.json'])
    expect(await state.loadSvid()).toBeUndefined()
  })

  test('one byte that is spoilt, in any file, costs nothing', async () => {
    const files = new MemoryFiles()
    const state = new AgentState(files, 'disk')
    const svid = anSvid()
    await state.saveSvid(svid)
    await state.saveServer({ address: '127.0.0.1:1', trustDomain: parseTrustDomain('test.example') })
    for (const [name, content] of files.contents) {
      for (let at = 0; at < content.length; at += 7) {
        files.contents.set(name, `${content.slice(0, at)}${content[at] === '#' ? '%' : '#'}${content.slice(at + 1)}`)
        expect((await state.loadSvid())?.serial).toBe(svid.serial)
        expect((await state.loadServer())?.address).toBe('127.0.0.1:1')
      }
      files.contents.set(name, content)
    }
  })

  test('what was damaged in both places is no identity', async () => {
    const files = new MemoryFiles()
    const state = new AgentState(files, 'disk')
    await state.saveSvid(anSvid())
    files.contents.set('agent.key', 'not a key')
    files.contents.set('agent.key.spare', 'not a key')
    expect(await state.loadSvid()).toBeUndefined()
  })

  test('a spare copy alone, as a crash may leave it, is nothing', async () => {
    const files = new MemoryFiles()
    const state = new AgentState(files, 'disk')
    files.changesLeft = 1
    await expect(state.saveServer({ address: '127.0.0.1:1', trustDomain: parseTrustDomain('test.example') })).rejects.toThrow('crashed')
    expect([...files.contents.keys()]).toEqual(['server.json.spare'])
    expect(await state.loadServer()).toBeUndefined()
  })

  test('forgetting leaves nothing of the key', async () => {
    const files = new MemoryFiles()
    const state = new AgentState(files, 'disk')
    await state.saveSvid(anSvid())
    await state.forget()
    expect([...files.contents.keys()]).toEqual([])
  })
})

function anSvid(): AgentSvid {
  const key = PrivateKey.generate()
  return agentSvidOf(key, [issuer.sign(buildCsr(key), 'spiffe://test.example/spire/agent/join_token/x', nowMs, 3_600_000)])
}
