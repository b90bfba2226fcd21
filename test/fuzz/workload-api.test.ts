import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { fuzzCalls } from '../support/fuzz/fuzz.ts'
import { callsOf, rawCallForm, type RawCall } from '../support/fuzz/messages.ts'
import { megabyte, residentBytes } from '../support/hostile/memory.ts'
import { grpcFrame, RawGrpc } from '../support/hostile/raw-grpc.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const words = ['', 'example.org', 'spiffe://example.org/web', 'spiffe://other.example/x', 'audience', 'eyJhbGciOiJub25lIn0.e30.', 'x'.repeat(3_000), '\0', '__proto__']
const blobs = [new Uint8Array(0), new Uint8Array(32), new TextEncoder().encode('{}')]
/** Streams without an end: that they began is the answer. */
const endless = /\/(FetchX509SVID|FetchX509Bundles|FetchJWTBundles|FetchWITBundles|Watch|WatchStatus|SubscribeToX509SVIDs|SubscribeToX509Bundles)$/

let folder: string
let product: Product
let agent: AgentProcess
let workload: RawGrpc
let admin: RawGrpc
let startedAtBytes = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mf-'))
  writeFileSync(join(folder, 'agent.yaml'), 'logLevel: error\nauthorizedDelegates: [spiffe://example.org/web]\n')
  product = await Product.start({ serverArgs: ['--log-level', 'error'], agentArgs: ['--config', join(folder, 'agent.yaml')] })
  agent = await product.startAgent()
  const [parentId = ''] = await product.agentIds()
  await product.createEntries([{ spiffeId: 'spiffe://example.org/web', parentId, selectors: [`unix:uid:${process.getuid?.() ?? 0}`] }])
  workload = new RawGrpc({ path: agent.workloadSocket })
  admin = new RawGrpc({ path: agent.adminSocket })
  expect((await workload.call('/SpiffeWorkloadAPI/FetchX509SVID', grpcFrame(new Uint8Array(0)), { headers: { 'workload.spiffe.io': 'true' }, enough: 'message' })).answered).toBe(true)
  startedAtBytes = residentBytes(agent.program?.pid ?? 0)
})

afterAll(async () => {
  workload[Symbol.dispose]()
  admin[Symbol.dispose]()
  await product[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

async function check(raw: RawGrpc, { method, messages }: RawCall): Promise<void> {
  const frames = Buffer.concat(messages.map((message) => grpcFrame(message)))
  const answer = await raw.call(method, frames, { headers: { 'workload.spiffe.io': 'true' }, ...(endless.test(method) ? { enough: 'message', afterMs: 100 } : {}) })
  if (!endless.test(method)) expect(answer.status).toBeTypeOf('number')
  expect(answer.code).not.toBe('INTERNAL')
}

async function stillServes(): Promise<void> {
  const answer = await workload.call('/SpiffeWorkloadAPI/FetchX509SVID', grpcFrame(new Uint8Array(0)), { headers: { 'workload.spiffe.io': 'true' }, enough: 'message' })
  expect(answer.answered).toBe(true)
  expect(residentBytes(agent.program?.pid ?? 0)).toBeLessThan(startedAtBytes + 300 * megabyte)
  expect(agent.program?.errors).not.toContain('rpc.failed')
}

fuzzCalls(
  'workload-api',
  'whatever a workload sends, each call is answered with a status that is not a defect of ours, and the agent goes on',
  rawCallForm,
  callsOf(['SpiffeWorkloadAPI', 'mayfly.v1.RevocationStream', 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection'], words, blobs),
  async (call) => check(workload, call),
  stillServes,
)

fuzzCalls('agent-admin', 'so it is on the admin socket of the agent', rawCallForm, callsOf(['mayfly.v1.AgentAdmin', 'spire.agent.debug.v1.Debug', 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity', 'grpc.health.v1.Health'], words, blobs), async (call) => check(admin, call), stillServes, 0.5)
