import { afterEach, describe, expect, test } from 'vitest'
import { GrantTask } from '../support/agent/grant-tasks.ts'
import { TestGrants } from '../support/agent/test-grants.ts'
import type { TestGrantsOptions } from '../support/agent/test-grants.ts'
import { isRoot } from '../support/processes/processes.ts'
import { LinuxCgroups } from '../../src/system/linux/cgroups.ts'


const worlds: TestGrants[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world[Symbol.asyncDispose]()
})

async function world(options: TestGrantsOptions = {}): Promise<TestGrants> {
  const made = await TestGrants.start(options)
  worlds.push(made)
  return made
}

const uid = 4242
/** In which tier, and under which uid a task can be bound in it here. */
const tiers = [
  { tier: 'pid', uid: undefined },
  { tier: 'pidfd', uid: undefined },
  ...(isRoot && LinuxCgroups.open() !== undefined ? [{ tier: 'cgroup', uid } as const] : []),
] as const

describe.each(tiers)('bound in the tier $tier', ({ tier, uid: as }) => {
  test('a task gets its SVID on a socket of its own, and nothing is left when it exits', async () => {
    const grants = await world({ tier })
    await using task = await GrantTask.start(as)
    const bound = await task.run(grants.socket)
    expect(bound.tier).toBe(tier)
    expect(grants.folders).toEqual([bound.id])
    task.tell({ do: 'svid', socket: bound.socket })
    expect(await task.said('svid')).toMatchObject({ id: bound.spiffeId })
    await task.program.kill()
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.ends).toMatchObject([{ grantId: bound.id, cause: 'process_exit' }])
    await expect.poll(() => grants.folders).toEqual([])
    expect(grants.keeper.size).toBe(0)
  })

  test('a process outside is refused although it has the path', async () => {
    const grants = await world({ tier })
    await using task = await GrantTask.start(as)
    await using thief = await GrantTask.start(as)
    const bound = await task.run(grants.socket)
    thief.tell({ do: 'svid', socket: bound.socket })
    expect(await thief.said('failed')).toMatchObject({ code: 'NOT_IN_BINDING' })
    thief.tell({ do: 'step', socket: bound.socket })
    expect(await thief.said('failed', (line) => line['do'] === 'step')).toMatchObject({ code: 'NOT_IN_BINDING' })
    thief.tell({ do: 'end', socket: grants.socket, id: bound.id })
    expect(await thief.said('failed', (line) => line['do'] === 'end')).toMatchObject({ code: 'NOT_FOUND' })
    expect(grants.keeper.size).toBe(1)
  })

  test('a task that vouches for itself and executes another program has ended: the call went with the program', async () => {
    const grants = await world({ tier })
    await using task = await GrantTask.start(as)
    const bound = await task.run(grants.socket)
    task.tell({ do: 'exec', file: '/bin/sleep', args: ['60'] })
    await grants.server.until(() => grants.server.ends.length > 0)
    expect(grants.server.ends).toMatchObject([{ grantId: bound.id, cause: 'process_exit' }])
  })
})
