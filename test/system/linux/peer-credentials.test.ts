import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { peerCredentials, peerPidfd, selfTestPeerCredentials } from '../../../src/system/linux/peer-credentials.ts'
import { isRoot, Listener, skipAloud, Workload } from '../../support/processes/processes.ts'

if (!isRoot) skipAloud('peer credentials of several users: needs root')

describe('peer credentials', () => {
  test('the self-test passes on this machine', async () => {
    await expect(selfTestPeerCredentials()).resolves.toHaveProperty('pidfd')
  })

  test('the self-test needs no folder to write to: the unit of the agent has none for temporary files', async () => {
    vi.stubEnv('TMPDIR', '/nowhere')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(selfTestPeerCredentials()).resolves.toHaveProperty('pidfd')
  })

  test.runIf(isRoot)('with 12 processes of 4 users that connect 5 times each at once, every connection names its own process', async () => {
    await using listener = await Listener.open((socket) => peerCredentials(socket))
    const users = [
      { uid: 0, gid: 0 },
      { uid: 65534, gid: 65534 },
      { uid: 61001, gid: 61002 },
      { uid: 4_000_000_000, gid: 3_999_999_999 },
    ]
    const workloads = await Promise.all(Array.from({ length: 12 }, async (_, at) => ({ user: users[at % 4], workload: await Workload.start({ socket: listener.path, connections: 5, ...users[at % 4] }) })))
    await using stack = new AsyncDisposableStack()
    for (const { workload } of workloads) stack.use(workload)
    const seen = await Promise.all(Array.from({ length: 60 }, async () => (await listener.accepted()).value))
    const expected = workloads.flatMap(({ user, workload }) => Array.from({ length: 5 }, () => ({ pid: workload.pid, ...user })))
    expect(seen.toSorted((a, b) => a.pid - b.pid)).toEqual(expected.toSorted((a, b) => a.pid - b.pid))
  })

  test('a connection over TCP is refused', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1') // listening on TCP, so it is one
    const [accepted] = (await once(server, 'connection')) as [Socket] // what the event is documented to carry
    expect(() => peerCredentials(accepted)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }))
    client.destroy()
    accepted.destroy()
    server.close()
  })

  test('a closed connection is refused, not mistaken for another descriptor', async () => {
    await using listener = await Listener.open((socket) => socket)
    const client = connect(listener.path)
    const { socket } = await listener.accepted()
    socket.destroy()
    expect(() => peerCredentials(socket)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }))
    expect(() => peerPidfd(socket)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }))
    client.destroy()
  })

  test('the pidfd of a connection dies with the process, though its number is still a zombie', async () => {
    await using listener = await Listener.open((socket) => peerPidfd(socket))
    await using workload = await Workload.start({ socket: listener.path })
    const { value: pidfd } = await listener.accepted()
    if (pidfd === undefined) return skipAloud('SO_PEERPIDFD: this kernel is older than 6.5')
    expect(pidfd.alive()).toBe(true)
    const twin = pidfd.duplicate()
    pidfd[Symbol.dispose]()
    pidfd[Symbol.dispose]()
    expect(twin?.alive()).toBe(true)
    await workload.kill()
    expect(twin?.alive()).toBe(false)
    twin?.[Symbol.dispose]()
    expect(() => twin?.alive()).toThrow(/after it was closed/)
    return undefined
  })
})
