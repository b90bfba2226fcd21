import { createPrivateKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { tracesIn } from '../support/processes/memory-scan.ts'
import { jobId, jobRole } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'
import type { AgentProcess } from '../support/product/product.ts'

/** Reading all the memory of a process is work. Promised are 20 s, whatever the end was. */
const gone = { interval: 500 }

let product: Product
let agent: AgentProcess

beforeAll(async () => {
  product = await Product.start()
  agent = await product.startAgent()
  await jobRole(product)
})

afterAll(async () => await product[Symbol.asyncDispose]())

interface Fetched {
  readonly task: GrantTask
  readonly id: string
  readonly socket: string
  readonly needles: readonly Buffer[]
}

/** A task that has fetched its SVID three times, and is being handed what comes next. */
async function fetched(): Promise<Fetched> {
  const task = await GrantTask.start()
  const { id, socket } = await task.run(agent.workloadSocket, { spiffeId: jobId, role: 'job' })
  let key = ''
  for (const name of ['first', 'second', 'third']) {
    task.tell({ do: 'svid', socket, name })
    key = String((await task.said('svid', (line) => line['name'] === name))['key'])
  }
  return { task, id, socket, needles: secretsOf(key) }
}

/** The secret number of a key, as DER has it and as OpenSSL's big numbers do. */
function secretsOf(pkcs8Base64: string): readonly Buffer[] {
  const { d = '' } = createPrivateKey({ key: Buffer.from(pkcs8Base64, 'base64'), format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
  const number = Buffer.from(d, 'base64url')
  expect(number.length).toBe(32)
  return [number, Buffer.from(number).reverse()]
}

function inMemory(needles: readonly Buffer[]): number {
  return tracesIn(agent.program?.pid ?? 0, needles).length
}

function onDisk(needles: readonly Buffer[]): readonly string[] {
  const files = readdirSync(product.dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.length).toBeGreaterThan(3)
  return files.map(({ parentPath, name }) => join(parentPath, name)).filter((path) => needles.some((needle) => readFileSync(path).includes(needle)))
}

describe("a grant's key is in the agent's memory while it runs, and nowhere within 20 s of its end", () => {
  test('it completed', async () => {
    const { task, socket, needles } = await fetched()
    task.tell({ do: 'as java', socket, name: 'wrapped' })
    await task.said('bytes', ({ name, count }) => name === 'wrapped' && Number(count) > 500)
    await expect.poll(() => inMemory(needles), gone).toBeLessThanOrEqual(2) // the key itself, for the agent and in OpenSSL's form: what four clients were handed has left no copy
    expect(inMemory(needles)).toBeGreaterThan(0)
    expect(onDisk(needles)).toEqual([])
    task.tell({ do: 'end', socket, cause: 'completed' })
    await task.said('ended')
    await expect.poll(() => inMemory(needles), gone).toBe(0)
    expect(onDisk(needles)).toEqual([])
    await task.program.kill()
  })

  test('it was killed while it took nothing of what it was sent', async () => {
    const { task, socket, needles } = await fetched()
    const encoded = needles.slice(0, 1)
    await expect.poll(() => inMemory(encoded), gone).toBe(1)
    task.tell({ do: 'stall', socket, name: 'stalled' })
    await task.said('answered', ({ name }) => name === 'stalled')
    await expect.poll(() => inMemory(encoded), gone).toBe(2) // with the message that waits
    await task.program.kill()
    await expect.poll(() => inMemory(needles), gone).toBe(0)
    expect(onDisk(needles)).toEqual([])
  })

  test('it was renewed: the key before goes, the new one stays', async () => {
    const { task, id, needles } = await fetched()
    const first = await task.said('svid')
    task.tell({ do: 'renew', socket: agent.workloadSocket, id })
    const next = await task.said('svid', ({ key }) => key !== first['key'])
    await expect.poll(() => inMemory(needles), gone).toBe(0)
    expect(inMemory(secretsOf(String(next['key'])))).toBeGreaterThan(0)
    await task.program.kill()
  })
})
