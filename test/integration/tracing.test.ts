import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { spanCatalogue } from '../../src/tracing/catalogue.ts'
import { node24, Program, root } from '../support/product/process.ts'
import { Product } from '../support/product/product.ts'

interface WireSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes: readonly { readonly key: string }[]
}

test('one trace goes from the agent that wants an SVID through the server\'s call to each step of issuing', async () => {
  const spans: WireSpan[] = []
  const collector = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text)).on('end', () => {
      const { resourceSpans } = JSON.parse(body) as { readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[] }[] } // what OTLP has
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)))
      response.writeHead(200).end('{}')
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => {
    collector.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const file = join(folder, 'tracing.yaml')
  writeFileSync(file, `tracing:\n  endpoint: http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces\n  samplePercent: 100\n`) // it listens on TCP
  await using product = await Product.start({ serverArgs: ['--config', file] })
  const agent = await product.startAgent(['--config', file])
  const [agentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId: agentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])
  await using workload = new Program(node24, [join(root, 'test/support/agent/workload-client.ts'), agent.workloadSocket])
  await workload.event('svids')

  const steps = ['mayfly.agent.sign', 'mayfly.rpc', 'mayfly.issue', 'mayfly.issue.prepare', 'mayfly.issue.journal', 'mayfly.issue.sign']
  const ofAgent = (): readonly WireSpan[] => {
    const first = spans.find(({ name }) => name === 'mayfly.agent.sign')
    return spans.filter(({ traceId }) => traceId === first?.traceId)
  }
  await expect.poll(() => ofAgent().map(({ name }) => name).toSorted()).toEqual(steps.toSorted())
  const idOf = (name: string): string | undefined => ofAgent().find((span) => span.name === name)?.spanId
  const parentOf = (name: string): string | undefined => ofAgent().find((span) => span.name === name)?.parentSpanId
  expect(parentOf('mayfly.agent.sign')).toBeUndefined()
  expect(parentOf('mayfly.rpc')).toBe(idOf('mayfly.agent.sign'))
  expect(parentOf('mayfly.issue')).toBe(idOf('mayfly.rpc'))
  for (const step of steps.slice(3)) expect(parentOf(step)).toBe(idOf('mayfly.issue'))
  for (const { name, attributes } of spans) expect(attributes.map(({ key }) => key).filter((key) => spanCatalogue[name]?.attributes.includes(key) !== true), name).toEqual([])
  expect(JSON.stringify(spans)).not.toContain('spiffe://')
})
