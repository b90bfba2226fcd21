import { expect, onTestFinished, test } from 'vitest'
import { percentile } from '../bench/figure.ts'
import { cpuMs, elapsedMs } from '../bench/machine.ts'
import { Audit, classes } from '../support/faults/audit.ts'
import { megabyte, residentBytes } from '../support/hostile/memory.ts'
import { raiseOpenFiles } from '../support/hostile/watch.ts'
import { isRoot } from '../support/processes/processes.ts'
import { node24, Program } from '../support/product/process.ts'

const agents = Number(process.env['MAYFLY_FAULT_AGENTS'] ?? '2000')
const perProcess = 500
const restarts = 2

test(`a server under ${agents} agents is restarted again and again: all come back, available peers lose nothing`, { timeout: 30 * 60_000 }, async () => {
  const audit = await Audit.start()
  onTestFinished(() => audit[Symbol.asyncDispose]())
  const { product } = audit
  if (isRoot) raiseOpenFiles(product.server.pid, 20_000)
  const startedMs = elapsedMs()
  const crowds = await Promise.all(
    Array.from({ length: Math.ceil(agents / perProcess) }, async (_, at) => {
      const tokens = []
      for (let token = 0; token < Math.min(perProcess, agents - at * perProcess); token++) {
        tokens.push((await product.admin.unary('spire.api.server.agent.v1.Agent', 'CreateJoinToken', { ttl: 600 })).value)
      }
      const crowd = new Program(node24, [new URL('../support/faults/agents.ts', import.meta.url).pathname])
      crowd.child.stdin?.write(`${JSON.stringify({ address: product.address, tokens })}\n`)
      onTestFinished(async () => void (await crowd.kill()))
      return crowd
    }),
  )
  await Promise.all(crowds.map(async (crowd) => crowd.event('synced')))
  tell(`${agents} agents joined and synced in ${seconds(elapsedMs() - startedMs)}; the server has ${(residentBytes(product.server.pid) / megabyte).toFixed(0)} MB`)

  for (let restart = 1; restart <= restarts; restart++) {
    const before = crowds.map((crowd) => crowd.lines.length)
    const stoppedMs = elapsedMs()
    await product.killServer('SIGTERM')
    const endedMs = elapsedMs()
    await product.startServer()
    if (isRoot) raiseOpenFiles(product.server.pid, 20_000)
    const servingMs = elapsedMs()
    const back = await Promise.all(crowds.map(async (crowd, at) => crowd.event('back', before[at])))
    const outagesMs = back.flatMap((line) => line['outagesMs'] as number[]) // agents.ts writes them so
    tell(`restart ${restart}: ended after ${seconds(endedMs - stoppedMs)}, serving again ${seconds(servingMs - endedMs)} later; an agent was without its stream for p50 ${seconds(percentile(outagesMs, 0.5))}, p99 ${seconds(percentile(outagesMs, 0.99))}, at most ${seconds(Math.max(...outagesMs))}; all ${outagesMs.length} back after ${seconds(elapsedMs() - stoppedMs)}; server CPU ${seconds(cpuMs(product.server.pid))}`)
    expect(outagesMs.length).toBeGreaterThanOrEqual(agents)
  }
  await audit.revoke()
  tell(`after the last: all well in ${seconds(await audit.recovers())}`)
  for (const given of classes) {
    const times = audit.acceptances.filter((one) => one.peer === 'good' && one.class === given && one.how === 'connection').map(({ atMs }) => atMs)
    const gapMs = Math.max(...times.map((atMs, at) => atMs - (times[at - 1] ?? atMs)))
    tell(`a verifier on another node: under ${given} the good one was without an accepted connection for ${seconds(gapMs)} at most`)
    if (given === 'available') expect(gapMs).toBeLessThan(5_000)
  }
  expect(audit.broken).toEqual([])
})

function tell(what: string): void {
  process.stderr.write(`fault: ${what}\n`)
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
