import { expect, test } from 'vitest'
import { nodeObstacles } from '../../../src/cli/why/node.ts'
import { startServer } from '../../support/server/test-server.ts'
import type { TestServer } from '../../support/server/test-server.ts'

const soon = Date.now() // of the real servers below
const later = soon + 3 * 3_600_000

async function below(parentId: string, { admin }: TestServer, nowMs = soon): Promise<readonly string[]> {
  return (await nodeObstacles({ parentId, selectors: ['unix:uid:1'] }, admin, nowMs, new AbortController().signal)).map(({ what, mend }) => `${what}; ${mend}`)
}

/** An entry that gives a node a name: by what the agent is called, or by what it shows. */
async function name(server: TestServer, path: string, parentId: string, type: string, value: string): Promise<void> {
  await server.createEntries(parentId, [path], { selectors: [{ type, value }] })
}

test('nothing stands in the way below an agent that is alive, nor below a name that it has, whatever stands between', async () => {
  const server = await startServer()
  const { id } = await server.join()
  expect(await below(id, server)).toEqual([])
  await name(server, '/node/a', id, 'spiffe_id', id)
  await name(server, '/rack', 'spiffe://example.org/node/a', 'unix', 'uid:4000')
  expect(await below('spiffe://example.org/node/a', server)).toEqual([])
  expect(await below('spiffe://example.org/rack', server)).toEqual([])
})

test('one of several nodes of a name is enough; with none, it is said of each', async () => {
  const server = await startServer()
  const [dead, alive] = [await server.join(), await server.join()]
  await server.admin.unary('spire.api.server.agent.v1.Agent', 'BanAgent', { id: wireOf(dead.id) })
  await name(server, '/rack', dead.id, 'spiffe_id', dead.id)
  expect(await below('spiffe://example.org/rack', server)).toEqual([`its agent ${dead.id} is banned; mayfly agent evict ${dead.id}, then mayfly token create`])
  await name(server, '/rack', alive.id, 'spiffe_id', alive.id)
  expect(await below('spiffe://example.org/rack', server)).toEqual([])
  expect(await below('spiffe://example.org/rack', server, later)).toEqual([expect.stringContaining(`its agent ${dead.id} is banned`), expect.stringContaining(`the SVID of its agent ${alive.id} ended`)])
})

test('a name that nobody has is to be given to an agent; names that lead back to themselves end', async () => {
  const server = await startServer()
  expect(await below('spiffe://example.org/node/a', server)).toEqual(['no node is called spiffe://example.org/node/a; mayfly token create --id spiffe://example.org/node/a, for an agent that joins by that name'])
  expect(await below('spiffe://example.org/spire/agent/x/gone', server)).toEqual([expect.stringMatching(/^no agent spiffe:\/\/example\.org\/spire\/agent\/x\/gone has joined; /)])
  await name(server, '/a', 'spiffe://example.org/b', 'unix', 'uid:4000')
  await name(server, '/b', 'spiffe://example.org/a', 'unix', 'uid:4000')
  expect(await below('spiffe://example.org/a', server)).toEqual(['the names above it lead back to spiffe://example.org/a; mayfly entry list --id spiffe://example.org/a'])
})

test('a name by what agents show holds while one shows it', async () => {
  const server = await startServer()
  await name(server, '/racks/seven', 'spiffe://example.org/spire/server', 'x509pop', 'san:rack:7')
  expect(await below('spiffe://example.org/racks/seven', server)).toEqual(['no agent that is alive shows x509pop:san:rack:7; mayfly agent list; mayfly agent show <id> says what each shows'])
  const { id } = await server.join()
  await name(server, '/all', 'spiffe://example.org/spire/server', 'spiffe_id', id)
  expect(await below('spiffe://example.org/all', server)).toEqual([])
})

function wireOf(id: string): { trustDomain: string; path: string } {
  return { trustDomain: 'example.org', path: id.slice('spiffe://example.org'.length) }
}
