import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { listenUnix } from '../../src/rpc/listen-unix.ts'
import { RpcServer } from '../../src/rpc/server.ts'
import { systemClock } from '../../src/system/clock.ts'
import { peerCredentials } from '../../src/system/linux/peer-credentials.ts'
import { worldReadable } from '../support/product/world-readable.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { isRoot, skipAloud } from '../support/processes/processes.ts'

const run = promisify(execFile)

interface Peer {
  readonly pid: number
  readonly uid: number
  /** What the first call of the connection said of itself. */
  tag?: string
}

test('each call finds the process, the user and the connection it came from, with several of each at once', async () => {
  if (!isRoot) skipAloud('peers of several users: needs root')
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  const script = join(folder, 'callers.mjs')
  copyFileSync(join(import.meta.dirname, '../support/rpc/callers.mjs'), script)
  chmodSync(script, 0o644)

  const server = new RpcServer<Peer>({ log: new KeptLog(), clock: systemClock })
  const listener = await listenUnix(join(folder, 's'), { mode: 0o777, onConnection: (socket) => server.inject(socket, peerOf(socket)) })
  onTestFinished(async () => {
    await listener.close()
    await server.close(0)
  })
  server.add('mayfly.v1.Status', {
    Get: async (_request, call) => {
      const [tag = ''] = call.metadata.values('tag')
      call.peer.tag ??= tag
      // Answers of all connections interleave.
      await new Promise((resolve) => setImmediate(resolve))
      return { version: `<${call.peer.pid}:${call.peer.uid}:${call.peer.tag === tag ? tag : 'another connection'}>` }
    },
  })

  const users = isRoot ? [0, 4001, 4002, 4003, 0, 4001] : [undefined, undefined, undefined]
  const reports = await Promise.all(users.map(async (uid) => run(uid === undefined ? process.execPath : worldReadable(process.execPath), [script, listener.address, '8', '40'], uid === undefined ? {} : { uid, gid: uid, cwd: '/' })))
  for (const { stdout } of reports) expect(JSON.parse(stdout)).toEqual({ right: 320, wrong: [] })
  await expect.poll(() => server.connections).toBe(0)
})

function peerOf(socket: Socket): Peer {
  const { pid, uid } = peerCredentials(socket)
  return { pid, uid }
}
