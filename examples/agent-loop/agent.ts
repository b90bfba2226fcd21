// An agent loop: every tool call is a step of a grant. `agent.ts <port of the orders service> <its SPIFFE ID> <goal>`; one line of JSON for each thing that happens.
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { exactly, MayflyError, parseSpiffeId, SpiffeAgent, startRevocationFeed, withGrant, X509Source } from '../../src/client/index.ts'
import type { TaskGrant } from '../../src/client/index.ts'
import { goals, nextCall, type Goal, type Observation } from './planner.ts'
import { perform, stepOf } from './tools.ts'

const [port = '', service = '', wanted = ''] = process.argv.slice(2)
const goal = goals.find((one) => one === wanted)
if (goal === undefined) throw new Error(`the goal is one of: ${goals.join(', ')}`)

try {
  await withGrant(
    {
      role: 'tidy-orders',
      do: ['read', 'delete'],
      on: ['db:orders'],
      workspace: { system: 'shop', environment: 'staging' },
      reason: goal,
      expectedOutcome: 'no duplicates left',
    },
    async (grant) => await work(grant, goal),
  )
} catch (error) {
  say('failed', { code: error instanceof MayflyError ? error.code : undefined, why: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
}

/** All that it does is done with the grant; what it throws fails it. */
async function work(grant: TaskGrant, goal: Goal): Promise<void> {
  say('granted', { grant: grant.id, as: grant.spiffeId })

  // from here on this program is what the grant lets it be, and has no other identity
  await using source = await X509Source.start({ endpoint: grant.endpoint })
  await using revocation = await startRevocationFeed(source)
  await revocation.synced
  const agent = new SpiffeAgent(source, { allow: exactly(parseSpiffeId(service)), revocation, class: 'standard' }, { keepAlive: true })
  const orders = { port: Number(port), agent, signal: grant.signal }
  const seen: Observation[] = []
  try {
    for (let call = nextCall(goal, seen); call !== undefined; call = nextCall(goal, seen)) {
      const step = stepOf(call)
      const decision = step === undefined ? undefined : await decide(grant, step)
      if (decision !== undefined && !decision.allowed) {
        say('denied', { call, by: decision.reasons, hint: decision.hint })
        seen.push({ call, denied: decision.reasons, hint: decision.hint })
        continue
      }
      const result = await perform(call, orders)
      say('did', { call, ...(call.tool === 'list_orders' ? { orders: Array.isArray(result) ? result.length : 0 } : {}), ...(decision === undefined ? {} : { by: decision.reasons }) })
      seen.push({ call, result })
      if (goal === 'watch for ever') await sleep(200, undefined, { signal: grant.signal })
    }
    await grant.complete('no duplicates left')
    say('completed', {})
  } catch (error) {
    if (!grant.signal.aborted) throw error
    // whatever it was doing when its access ended, the reason is the same
    const { reason } = grant.signal
    say('stopped', { why: reason instanceof Error ? reason.message : String(reason) })
    await probe()
  } finally {
    agent.destroy()
  }

  /** Is the identity good for anything after its end? */
  async function probe(): Promise<void> {
    try {
      await perform({ tool: 'list_orders' }, { port: Number(port), agent, signal: AbortSignal.timeout(5_000) })
      say('still served', {})
    } catch (error) {
      say('refused afterwards', { why: error instanceof Error ? error.message : String(error) })
    }
  }
}

/** Asks for the step; when a person has to approve it, says so and waits. */
async function decide(grant: TaskGrant, { action, resource, description }: NonNullable<ReturnType<typeof stepOf>>): ReturnType<TaskGrant['step']> {
  const first = await grant.step(action, resource, { description })
  if (first.approvalId === '') return first
  say('waits for a person', { step: first.approvalId, description })
  for (;;) {
    const again = await grant.step(action, resource, { description, waitSeconds: 20 })
    if (again.approvalId === '') return again
  }
}

function say(event: string, facts: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`)
}
