import { existsSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/system/clock.ts'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { containerUid, Containers } from '../support/interop/containers.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { jobId, jobRole, TestVerifier } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'
import type { AgentProcess } from '../support/product/product.ts'
import type { Program } from '../support/product/process.ts'

const missing = Containers.missing()
if (missing !== undefined) skipAloud(`grants of workloads in containers that are started again: ${missing}`)

const script = 'test/support/agent/grant-task.ts'
const soonMs = 30_000

describe.skipIf(missing !== undefined)('a workload in a real container, its agent on the host', () => {
  let containers: Containers
  let product: Product
  let verifier: TestVerifier
  const agents = new Map<string, AgentProcess>()

  beforeAll(async () => {
    containers = await Containers.open()
    product = await Product.start()
    verifier = await TestVerifier.start(product, await product.startAgent())
    agents.set('cgroup', await product.startAgent([], containers.surroundings))
    agents.set('pidfd', await product.startAgent(['--binding-tier', 'pidfd'], containers.surroundings))
    await jobRole(product, {}, [containerUid])
  })

  afterAll(async () => {
    await verifier[Symbol.asyncDispose]()
    await product[Symbol.asyncDispose]()
    await containers[Symbol.asyncDispose]()
  })

  function socketOf(tier: string): string {
    return agents.get(tier)?.workloadSocket ?? ''
  }

  async function begin(id: string, cgroup: string): Promise<GrantTask> {
    return await GrantTask.of(containers.start(id, cgroup, product.dir, script))
  }

  /** A grant of the container's, with an SVID that the verifier accepts. */
  async function granted(task: GrantTask, tier: string, binding: string) {
    const bound = await task.run(socketOf(tier), { spiffeId: jobId, role: 'job', binding })
    expect(bound.tier).toBe(tier)
    task.tell({ do: 'svid', socket: bound.socket, name: bound.id })
    const { chain } = await task.said('svid', ({ name }) => name === bound.id)
    const svid = [Buffer.from(String(chain), 'base64')]
    expect(verifier.verdict(svid)).toBe('accepted')
    return { ...bound, chain: svid }
  }

  async function causeOf(grantId: string): Promise<string> {
    return (await product.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId })).cause
  }

  /** What the container was given is refused, here and at a verifier elsewhere. */
  async function ended(what: string, { id, socket, chain }: Awaited<ReturnType<typeof granted>>, atMs: number, cause: string): Promise<void> {
    const refused = await verifier.refused(chain)
    process.stderr.write(`grant: ${what}: refused after ${refused.atMs - atMs} ms\n`)
    expect(refused.atMs - atMs).toBeLessThan(soonMs)
    await expect.poll(() => existsSync(socket)).toBe(false)
    await expect.poll(() => causeOf(id)).toBe(cause)
  }

  /** The next process, as much like the last as it can be, has nothing of what was that one's. */
  async function hasNothingOf(old: Awaited<ReturnType<typeof granted>>, task: GrantTask, tier: string, binding: string): Promise<void> {
    task.tell({ do: 'svid', socket: old.socket, name: 'old socket' })
    expect(await task.said('failed', ({ name }) => name === 'old socket')).toBeDefined()
    task.tell({ do: 'bind', socket: socketOf(tier), id: old.id, name: 'old grant' })
    expect(await task.said('failed', ({ name }) => name === 'old grant')).toMatchObject({ code: 'NOT_FOUND' })
    const next = await granted(task, tier, binding)
    expect(next.id).not.toBe(old.id)
    expect(verifier.verdict(old.chain)).toBe('revoked')
  }

  test.each([
    ['cgroup', 'container', 'container_restart'],
    ['pidfd', 'process', 'process_exit'],
  ] as const)('stopped and started again with the same name, id and cgroup, bound in the tier %s to the %s: ended as %s, and the new process gets nothing of the old', async (tier, binding, cause) => {
    const first = await begin('job', 'job')
    const old = await granted(first, tier, binding)
    const atMs = systemClock.nowMs()
    containers.kill('job')
    await ended(`container stopped, ${tier}`, old, atMs, cause)
    await first.program.ended()
    const second = await begin('job', 'job')
    await hasNothingOf(old, second, tier, binding)
    containers.kill('job')
    await second.program.ended()
  })

  test("made anew under another id, as Docker does: the cgroup's name is another, and the old grant has ended", async () => {
    const [before, after] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
    const first = await begin(before, `docker-${before}.scope`)
    const old = await granted(first, 'cgroup', 'container')
    const second = await begin(after, `docker-${after}.scope`)
    second.tell({ do: 'svid', socket: old.socket, name: 'beside' })
    expect(await second.said('failed', ({ name }) => name === 'beside')).toMatchObject({ code: 'NOT_IN_BINDING' })
    const atMs = systemClock.nowMs()
    containers.kill(before)
    await ended('container made anew, cgroup', old, atMs, 'container_restart')
    await first.program.ended()
    await hasNothingOf(old, second, 'cgroup', 'container')
    containers.kill(after)
    await second.program.ended()
  })

  test('`mayfly run` in it binds its command, which has another pid there than for the agent, and ends the grant with it', async () => {
    const wrapped = (id: string, ...command: readonly string[]): Program =>
      containers.start(id, id, product.dir, 'src/cli/main.ts', ['run', '--socket', `unix://${socketOf('pidfd')}`, '--as', jobId, '--role', 'job', '--do', 'write', '--on', 'db:orders', '--reason', 'a test', '--json', '--', '/bin/busybox', ...command])
    const grantOf = async (program: Program, event: string): Promise<string> => {
      const line = new RegExp(`"event":"grant.${event}"[^\\n]*?"id":"([0-9a-z]{26})"`)
      await expect.poll(() => program.errors, { timeout: soonMs }).toMatch(line)
      return line.exec(program.errors)?.[1] ?? ''
    }
    const failing = wrapped('failing', 'false')
    expect(await failing.ended()).toBe(1)
    expect(await causeOf(await grantOf(failing, 'approved'))).toBe('failed')
    const killed = wrapped('killed', 'sleep', '600')
    const id = await grantOf(killed, 'active')
    containers.kill('killed')
    await expect.poll(async () => await causeOf(id), { timeout: soonMs }).toBe('process_exit')
    await killed.ended()
  })

  test.each(['cgroup', 'pidfd'])('its process is found in the cgroup of another container, bound in the tier %s: ended as container_restart at the next look', async (tier) => {
    const task = await begin('moved', 'moved')
    const old = await granted(task, tier, tier === 'cgroup' ? 'container' : 'process')
    containers.move('moved', 'elsewhere')
    const atMs = systemClock.nowMs()
    task.tell({ do: 'svid', socket: old.socket, name: 'again' })
    await ended(`process moved to another container, ${tier}`, old, atMs, 'container_restart')
    containers.kill('moved')
    await task.program.ended()
  })
})
