import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { Containers } from '../support/interop/containers.ts'
import { skipAloud } from '../support/processes/processes.ts'
import { jobId, jobRole } from '../support/product/grants.ts'
import { Product } from '../support/product/product.ts'

const missing = Containers.missing()
if (missing !== undefined) skipAloud(`facts about real containers: ${missing}`)

test.skipIf(missing !== undefined)('of two real containers alike, the one whose id is asked for is let in; a container that it makes up inside itself is nobody', async () => {
  await using containers = await Containers.open()
  await using product = await Product.start()
  const agent = await product.startAgent([], containers.surroundings)
  const [wanted, other] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
  const requesters = (await product.agentIds()).map((parentId) => ({ parentId, selectors: [`container:id:${wanted}`, 'container:runtime:docker'] }))
  await jobRole(product, { requesters })
  const ask = async (id: string, cgroup: string): Promise<GrantTask> => await GrantTask.of(containers.start(id, cgroup, product.dir, 'test/support/agent/grant-task.ts'))
  const mine = await ask(wanted, `docker-${wanted}.scope`)
  expect(await mine.run(agent.workloadSocket, { spiffeId: jobId, role: 'job', binding: 'container' })).toMatchObject({ tier: 'cgroup' })
  const others = await ask(other, `docker-${other}.scope`)
  await expect(others.run(agent.workloadSocket, { spiffeId: jobId, role: 'job', binding: 'container' })).rejects.toThrow(/it was refused.*"code":"[A-Z_]+"/)
  const nested = await ask('nested', `docker-${other}.scope/docker-${wanted}.scope`)
  await expect(nested.run(agent.workloadSocket, { spiffeId: jobId, role: 'job', binding: 'process' })).rejects.toThrow(/it was refused.*"code":"[A-Z_]+"/)
  for (const id of [wanted, other, 'nested']) containers.kill(id)
  for (const task of [mine, others, nested]) await task.program.ended()
})
