import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { anEntry } from '../../support/agent/entries.ts'
import { opened } from '../../support/agent/opened.ts'
import { TestApi } from '../../support/agent/workload-api.ts'
import { WorkloadProcess } from '../../support/agent/workload.ts'
import { isRoot } from '../../support/processes/processes.ts'

test('10,000 idle connections leave the socket in service', async () => {
  await using api = await TestApi.start({ limits: { connectionsPerProcess: 2_500, connectionsPerUid: 2_500 } })
  api.entriesAre(anEntry('a', { selectors: ['unix:uid:4001'] }))
  const sockets: Socket[] = []
  for (let round = 0; round < 250; round++) sockets.push(...(await Promise.all(Array.from({ length: 40 }, async () => await opened(api.socket)))))
  expect(sockets).toHaveLength(10_000)
  expect(api.connections).toBeLessThanOrEqual(2_500)
  if (isRoot) {
    await using workload = WorkloadProcess.start(api.socket, { uid: 4001, once: true })
    expect((await workload.svids()).ids).toEqual(['spiffe://test.example/a'])
  }
  for (const socket of sockets) socket.destroy()
})
