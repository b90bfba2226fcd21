import { expect, test } from 'vitest'
import { X509Source } from '../../src/client/index.ts'
import { Product, wireId } from '../support/product/product.ts'

const uid = process.geteuid?.() ?? 0

test('a banned agent takes away what it had handed out and kept, and ends', async () => {
  await using product = await Product.start()
  const agent = await product.startAgent()
  const [agentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: agentId, selectors: [`unix:uid:${uid}`], prefetch: true }])
  await using source = await X509Source.start({ endpoint: `unix://${agent.workloadSocket}` })
  expect(source.current().id).toBe('spiffe://example.org/web')
  const withdrawn = new Promise<void>((resolve) => void source.onUpdate(({ kind }) => {
    if (kind === 'withdrawn') resolve()
  }))
  await product.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: wireId(agentId) })
  await withdrawn
  expect(() => source.current()).toThrow()
  expect(await agent.program?.ended()).toBe(1)
  expect(agent.program?.errors).toContain('AGENT_BANNED')
})
