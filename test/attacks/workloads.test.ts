import { linkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grpcFrame, RawGrpc } from '../support/hostile/raw-grpc.ts'
import { isRoot, skipAloud } from '../support/processes/processes.ts'
import { node24, Program, root } from '../support/product/process.ts'
import { Product, type AgentProcess } from '../support/product/product.ts'

const client = join(root, 'test/support/agent/workload-client.ts')
const bequeather = join(root, 'test/support/hostile/bequeather.ts')
const entitled = { uid: 4001, gid: 4001 }
const stranger = { uid: 4002, gid: 4002 }

if (!isRoot) skipAloud('attacks by workloads of other users need root')

describe.skipIf(!isRoot)('a workload', () => {
  let product: Product
  let agent: AgentProcess
  let web = ''
  let db = ''

  beforeAll(async () => {
    product = await Product.start({ serverArgs: ['--log-level', 'error'], agentArgs: ['--log-level', 'error'] })
    agent = await product.startAgent()
    web = join(product.dir, 'web')
    db = join(product.dir, 'db')
    linkSync(node24, web)
    linkSync(node24, db)
    const [parentId = ''] = await product.agentIds()
    await product.createEntries([
      { spiffeId: 'spiffe://example.org/by-uid', parentId, selectors: ['unix:uid:4001'] },
      { spiffeId: 'spiffe://example.org/by-path', parentId, selectors: ['unix:uid:4003', `unix:path:${web}`] },
    ])
  })
  afterAll(async () => product[Symbol.asyncDispose]())

  async function answerTo(command: string, args: readonly string[], uid: number): Promise<string> {
    await using workload = new Program(command, [...args], { uid, gid: uid })
    const line = await workload.line((said) => said['event'] === 'svids' || said['event'] === 'failed')
    return line['event'] === 'failed' ? String(line['code']) : JSON.stringify(line['ids'])
  }

  test('of another uid gets nothing', async () => {
    expect(await answerTo(node24, [client, agent.workloadSocket, 'once'], 4001)).toBe('["spiffe://example.org/by-uid"]')
    expect(await answerTo(node24, [client, agent.workloadSocket, 'once'], 4002)).toBe('NO_IDENTITY')
  })

  test('of another path gets nothing, whatever it calls itself', async () => {
    expect(await answerTo(web, [client, agent.workloadSocket, 'once'], 4003)).toBe('["spiffe://example.org/by-path"]')
    expect(await answerTo(db, [client, agent.workloadSocket, 'once'], 4003)).toBe('NO_IDENTITY')
    expect(await answerTo('/bin/bash', ['-c', `exec -a ${web} ${db} ${client} ${agent.workloadSocket} once`], 4003)).toBe('NO_IDENTITY')
  })

  test('without the metadata that browsers cannot send gets nothing', async () => {
    using raw = new RawGrpc({ path: agent.workloadSocket })
    expect((await raw.call('/SpiffeWorkloadAPI/FetchX509SVID', grpcFrame(new Uint8Array(0)))).code).toBe('METADATA_MISSING')
    expect((await raw.call('/SpiffeWorkloadAPI/FetchX509SVID', grpcFrame(new Uint8Array(0)), { headers: { 'workload.spiffe.io': 'TRUE' } })).code).toBe('METADATA_MISSING')
  })

  test('that inherits the connection of a process that died gets nothing of it, and a stream that was open ends', async () => {
    await using family = new Program(node24, [bequeather, agent.workloadSocket], entitled)
    const { heir } = await family.event('bequeathed')
    await family.event('ready')
    process.kill(Number(heir), 'SIGUSR2')
    await family.event('message') // while its parent lives, the connection is its parent's
    family.child.kill('SIGKILL')
    await family.event('closed')
    const messages = family.lines.filter(({ event }) => event === 'message').length
    process.kill(Number(heir), 'SIGUSR2')
    await family.line((line) => line['event'] === 'closed', family.lines.length)
    expect(family.lines.filter(({ event }) => event === 'message').length).toBe(messages)
    process.kill(Number(heir), 'SIGKILL')
  })

  test('whose pid is the pid of one that died is not taken for it, nor the other way round', async () => {
    if (!canChoosePids()) return skipAloud('pid reuse: this machine does not let a test choose the next pid')
    // A stranger connects, leaves the connection to its child and dies; then an entitled process gets its pid.
    await using family = new Program(node24, [bequeather, agent.workloadSocket], stranger)
    const { heir } = await family.event('bequeathed')
    await family.event('ready')
    const { pid } = family
    const exited = new Promise((resolve) => family.child.once('exit', resolve))
    family.child.kill('SIGKILL')
    await exited
    await using reborn = await withPid(pid, entitled.uid)
    expect(reborn.pid).toBe(pid)
    process.kill(Number(heir), 'SIGUSR2')
    await family.event('closed')
    expect(family.lines.filter(({ event }) => event === 'message')).toEqual([])
    process.kill(Number(heir), 'SIGKILL')
    // And the stranger that gets the pid of an entitled process that died is a stranger.
    await using first = new Program(node24, [client, agent.workloadSocket], entitled)
    await first.event('svids')
    await first.kill()
    await using second = await withPid(first.pid, stranger.uid, [node24, client, agent.workloadSocket, 'once'])
    expect(second.pid).toBe(first.pid)
    expect((await second.event('failed'))['code']).toBe('NO_IDENTITY')
  })
})

const nextPid = '/proc/sys/kernel/ns_last_pid'

function canChoosePids(): boolean {
  try {
    writeFileSync(nextPid, String(process.pid))
    return true
  } catch {
    return false
  }
}

/** A process with this very pid, which must be free; others may take it first, so it tries again. */
async function withPid(pid: number, uid: number, command: readonly string[] = ['/bin/sleep', '60']): Promise<Program> {
  for (let attempt = 0; attempt < 500; attempt++) {
    writeFileSync(nextPid, String(pid - 1))
    const [file = '', ...args] = command
    const program = new Program(file, args, { uid, gid: uid })
    if (program.child.pid === pid) return program
    await program.kill()
  }
  throw new Error(`pid ${pid} was never free`)
}

