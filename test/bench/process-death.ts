import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { jobId, jobRole, TestVerifier } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'
import { percentile, type Report } from './figure.ts'
import { elapsedMs } from './machine.ts'

const rounds = 60

/** From SIGKILL to the process that a grant is bound to until a verifier, on another connection, refuses its identity. Nobody but the agent says that it has ended. */
export async function bench(): Promise<Report> {
  await using product = await Product.start()
  const agent = await product.startAgent()
  await jobRole(product)
  await using verifier = await TestVerifier.start(product, agent)
  const deaths: number[] = []
  for (let at = 0; at < rounds; at++) {
    await using task = await GrantTask.start()
    const { socket } = await task.run(agent.workloadSocket, { spiffeId: jobId, role: 'job' })
    task.tell({ do: 'svid', socket })
    const { chain } = await task.said('svid')
    const svid = [Buffer.from(String(chain), 'base64')]
    if (verifier.verdict(svid) !== 'accepted') throw new Error('a running task is refused')
    const start = elapsedMs()
    task.program.child.kill('SIGKILL')
    await verifier.refused(svid)
    deaths.push(elapsedMs() - start)
  }
  const exits = await exitsSeen()
  return {
    name: 'process-death',
    figures: [
      {
        id: 'process_death.p99_ms',
        value: percentile(deaths, 0.99),
        unit: 'ms',
        goal: '<= 250',
        limit: { value: percentile(exits, 0.99), unit: 'ms', of: 'SIGKILL → the parent of a process sees its exit, p99' },
        note: `p50 ${percentile(deaths, 0.5).toFixed(1)} ms, longest ${Math.max(...deaths).toFixed(1)} ms; ${rounds} tasks, one agent, one verifier`,
      },
    ],
  }
}

async function exitsSeen(): Promise<number[]> {
  const seen: number[] = []
  for (let at = 0; at < rounds; at++) {
    const child = spawn('sleep', ['60'])
    await once(child, 'spawn')
    const start = elapsedMs()
    child.kill('SIGKILL')
    await once(child, 'exit')
    seen.push(elapsedMs() - start)
  }
  return seen
}
