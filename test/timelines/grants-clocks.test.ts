import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { FakeTime, TestClock } from '../support/faults/clock.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { bindingTiers, GrantRun } from '../support/product/grant-runs.ts'
import { jobId, jobRole, TestVerifier } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'
import type { AgentProcess } from '../support/product/product.ts'

const hourMs = 3_600_000
/** Over the five minutes that are followed at once. */
const leapMs = 360_000
const soonMs = 30_000

const folder = mkdtempSync(join(tmpdir(), 'mf-'))
const ofServer = clockIn('server')
const ofAgents = clockIn('agents')
let product: Product
let verifier: TestVerifier
const agents: { readonly tier: string; readonly uid: number | undefined; readonly agent: AgentProcess }[] = []

beforeAll(async () => {
  product = await Product.start({ server: ofServer.surroundings })
  verifier = await TestVerifier.start(product, await product.startAgent()) // whose clock, like this one, is right
  for (const { tier, agentArgs, uid } of bindingTiers) agents.push({ tier, uid, agent: await product.startAgent(agentArgs, ofAgents.surroundings) })
  await jobRole(product, {}, [process.geteuid?.() ?? 0, 4242])
})

afterAll(async () => {
  await verifier[Symbol.asyncDispose]()
  await product[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

afterEach(async () => {
  ofServer.set(0)
  ofAgents.set(0)
  if (product.server.child.signalCode !== null) await product.startServer()
})

interface Running extends AsyncDisposable {
  readonly run: GrantRun
  readonly tier: string
  readonly grantId: string
  readonly socket: string
  readonly chain: readonly Uint8Array[]
  readonly deadlineMs: number
}

/** A task in each tier, whose SVIDs the verifier accepts. */
async function runningInEachTier(ttl: string): Promise<readonly Running[]> {
  return await Promise.all(
    agents.map(async ({ tier, uid, agent }) => {
      const run = await GrantRun.start(agent, { uid, args: ['--ttl', ttl] })
      const { grantId, chain } = await run.svid()
      await expect.poll(() => verifier.verdict(chain)).toBe('accepted') // it may be getting over the clock of the test before
      const { deadlineMs, tier: given } = await standing(grantId)
      expect(given).toBe(tier)
      return { run, tier, grantId, chain, deadlineMs, socket: join(agent.dir, 'grants', grantId, 'sock'), [Symbol.asyncDispose]: async () => run[Symbol.asyncDispose]() }
    }),
  )
}

async function standing(grantId: string) {
  return await product.admin.unary('mayfly.v1.GrantAdmin', 'Show', { grantId })
}

/** The server was away: agents come back to it in their time. */
async function connected({ adminSocket }: AgentProcess): Promise<void> {
  using admin = RpcChannel.connectUnix(adminSocket, { clock: systemClock })
  await expect.poll(async () => (await admin.unary('mayfly.v1.AgentAdmin', 'Status', {})).connected).toBe(true)
}

function note(what: string, tier: string, ms: number): void {
  process.stderr.write(`grant: ${what}, ${tier}: ${Math.round(ms)} ms after its deadline\n`)
}

async function asksInVain(): Promise<string> {
  await using task = await GrantTask.start()
  return await task.run(agents.at(-1)?.agent.workloadSocket ?? '', { spiffeId: jobId, role: 'job' }).then(() => 'given', String)
}

/** Set back: nothing lives longer than the time since boot allows. */
describe('a clock that is set back by an hour extends nothing, in no tier', () => {
  test("the server's", async () => {
    const tasks = await runningInEachTier('12s')
    ofServer.set(-hourMs)
    expect(await asksInVain()).toContain('CLOCK_JUMPED')
    await Promise.all(
      tasks.map(async ({ tier, grantId, socket, chain, deadlineMs }) => {
        const refused = await verifier.refused(chain)
        note("the server's clock set back an hour", tier, refused.atMs - deadlineMs)
        await expect.poll(() => existsSync(socket)).toBe(false)
        await expect.poll(async () => (await standing(grantId)).cause).toBe('timeout')
        expect(systemClock.nowMs() - deadlineMs).toBeLessThan(soonMs)
      }),
    )
    ofServer.set(0)
    await expect.poll(asksInVain).toBe('given')
    for (const { chain, run } of tasks) {
      expect(verifier.verdict(chain)).not.toBe('accepted')
      await run[Symbol.asyncDispose]()
    }
  })

  test("the agent's, while its server is away", async () => {
    const tasks = await runningInEachTier('12s')
    ofAgents.set(-hourMs)
    await product.killServer()
    await Promise.all(
      tasks.map(async ({ tier, socket, chain, deadlineMs }) => {
        const refused = await verifier.refused(chain)
        note("the agent's clock set back an hour, the server away", tier, refused.atMs - deadlineMs)
        await expect.poll(() => existsSync(socket)).toBe(false)
        expect(systemClock.nowMs() - deadlineMs).toBeLessThan(soonMs)
      }),
    )
    await product.startServer()
    ofAgents.set(0)
    for (const { grantId, chain, run } of tasks) {
      await expect.poll(async () => (await standing(grantId)).cause).toBe('timeout')
      expect(verifier.verdict(chain)).not.toBe('accepted')
      await run[Symbol.asyncDispose]()
    }
    for (const { agent } of agents) await connected(agent)
  })
})

/** Ahead by more than five minutes: nothing expires before that is confirmed. */
describe('a clock that leaps ahead by six minutes ends nothing, in no tier', () => {
  test("the server's, until it is set right: nothing is given or ended meanwhile, and then all goes on", async () => {
    const tasks = await runningInEachTier('60s')
    ofServer.set(leapMs)
    await expect.poll(() => product.server.errors).toContain('grants.clock_leapt')
    expect(await asksInVain()).toContain('CLOCK_JUMPED')
    for (const { grantId, socket } of tasks) {
      expect(await standing(grantId)).toMatchObject({ state: 'active', used: { renewals: 0 } })
      expect(existsSync(socket)).toBe(true)
    }
    ofServer.set(0)
    for (const { run, grantId, chain } of tasks) {
      await expect.poll(() => verifier.verdict(chain)).toBe('accepted')
      run.tell({ do: 'exit', code: 0 })
      expect(await run.wrapper.ended()).toBe(0)
      expect(await standing(grantId)).toMatchObject({ cause: 'completed' })
    }
  })

  test("the agent's: its tasks keep identity and budget, and take no step on what it cannot date", async () => {
    const tasks = await runningInEachTier('60s')
    ofAgents.set(leapMs)
    for (const { run, grantId, chain, tier } of tasks) {
      await expect.poll(async () => stepOf(run)).toEqual(['state-stale'])
      run.tell({ do: 'svid', name: 'meanwhile' })
      expect((await run.svid('meanwhile')).chain, tier).toEqual(chain)
      expect(verifier.verdict(chain)).toBe('accepted')
      expect(await standing(grantId)).toMatchObject({ state: 'active', used: { renewals: 0 } })
    }
    ofAgents.set(0)
    for (const { run, grantId } of tasks) {
      await expect.poll(async () => stepOf(run)).toEqual(['permit-what-roles-allow'])
      run.tell({ do: 'exit', code: 0 })
      expect(await run.wrapper.ended()).toBe(0)
      expect(await standing(grantId)).toMatchObject({ cause: 'completed' })
    }
  })

  test("the server's, until it is started anew with it: then its clock is believed, and what is over by it ends", async () => {
    const tasks = await runningInEachTier('60s')
    ofServer.set(leapMs)
    await product.killServer()
    await product.startServer()
    for (const { run, grantId, chain } of tasks) {
      await expect.poll(async () => (await standing(grantId)).cause).toBe('timeout')
      await verifier.refused(chain) // told of it, or, where no agent takes the word of such a clock, by the age of what is known
      await run[Symbol.asyncDispose]()
    }
  })
})

let steps = 0

async function stepOf(run: GrantRun): Promise<unknown> {
  const name = `step ${++steps}`
  run.tell({ do: 'step', name })
  return (await run.said('step', (line) => line['name'] === name))['reasons']
}

/** By libfaketime where that can be had; else from within the program, which must do. */
function clockIn(name: string): FakeTime | TestClock {
  const faked = FakeTime.at(join(folder, name))
  if (!('missing' in faked)) return faked
  skipAloud(`the clock of the ${name} as the system has it: ${faked.missing}. Node's own is set in its place`)
  return new TestClock(join(folder, name))
}
