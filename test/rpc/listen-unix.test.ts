import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { listenUnix } from '../../src/rpc/listen-unix.ts'
import { KeptLog } from '../support/agent/quiet.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { BoundSocket } from '../support/processes/bound-socket.ts'
import { socketPath } from '../support/rpc/harness.ts'

const quiet = { mode: 0o600, onConnection: (): void => undefined }

test.each([0o600, 0o660, 0o777])('the socket file has mode %o, whatever the umask', async (mode) => {
  await using listener = await listenUnix(socketPath(), { ...quiet, mode })
  expect(statSync(listener.address).mode & 0o777).toBe(mode)
})

test('a socket file that a killed process left is replaced', async () => {
  const path = socketPath()
  spawnSync(process.execPath, ['-e', `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`])
  expect(statSync(path).isSocket()).toBe(true)
  await using listener = await listenUnix(path, { mode: 0o600, onConnection: (socket) => void socket.end('new') })
  const socket = connect(listener.address)
  const [bytes] = await once(socket, 'data')
  expect(String(bytes)).toBe('new')
})

test('a socket that answers is left alone', async () => {
  const path = socketPath()
  await using first = await listenUnix(path, quiet)
  await expect(listenUnix(path, quiet)).rejects.toMatchObject({ code: 'SOCKET_IN_USE', message: `another process listens on ${first.address}` })
  expect(existsSync(path)).toBe(true)
})

test('a file that is no socket is left alone', async () => {
  const path = socketPath()
  writeFileSync(path, 'precious')
  await expect(listenUnix(path, quiet)).rejects.toMatchObject({ code: 'SOCKET_IN_USE' })
  expect(readFileSync(path, 'utf8')).toBe('precious')
})

test('a path that does not fit is refused with what to do', async () => {
  await expect(listenUnix(`/tmp/${'x'.repeat(120)}`, quiet)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: 'choose a shorter data folder' })
})

test('a folder that is not there is an error', async () => {
  await expect(listenUnix(`${socketPath()}/nowhere/s`, quiet)).rejects.toMatchObject({ code: 'SOCKET_IN_USE' })
})

test('closing removes the socket file', async () => {
  const listener = await listenUnix(socketPath(), quiet)
  await listener.close()
  expect(existsSync(listener.address)).toBe(false)
})

test('a socket file that is removed is there again within five seconds, with its mode, and said; connections that were open stay', async () => {
  const clock = new FakeClock()
  const log = new KeptLog()
  await using listener = await listenUnix(socketPath(), { mode: 0o600, keep: { clock, log }, onConnection: (socket) => void socket.pipe(socket) })
  const before = connect(listener.address)
  await once(before, 'connect')
  listener.permit(0o666)
  rmSync(listener.address)
  await clock.advance(5_000)
  await expect.poll(() => log.facts).toMatchObject([{ event: 'socket.restored', path: listener.address }])
  expect(statSync(listener.address).mode & 0o777).toBe(0o666)
  const after = connect(listener.address)
  for (const socket of [before, after]) {
    socket.write('still here')
    expect(String((await once(socket, 'data'))[0])).toBe('still here')
    socket.destroy()
  }
})

test('what somebody put in the place of a socket file is left alone, and said once; when it is gone the socket is there again', async () => {
  const clock = new FakeClock()
  const log = new KeptLog()
  await using listener = await listenUnix(socketPath(), { ...quiet, keep: { clock, log } })
  rmSync(listener.address)
  writeFileSync(listener.address, 'precious')
  await clock.advance(20_000)
  expect(log.facts).toMatchObject([{ event: 'socket.lost', path: listener.address }])
  expect(readFileSync(listener.address, 'utf8')).toBe('precious')
  rmSync(listener.address)
  await clock.advance(5_000)
  await expect.poll(() => log.facts.map(({ event }) => event)).toEqual(['socket.lost', 'socket.restored'])
  expect(statSync(listener.address).isSocket()).toBe(true)
})

test('a socket that was closed is not made again', async () => {
  const clock = new FakeClock()
  const listener = await listenUnix(socketPath(), { ...quiet, keep: { clock, log: new KeptLog() } })
  await clock.advance(5_000)
  await listener.close()
  await clock.advance(10_000)
  expect(existsSync(listener.address)).toBe(false)
  expect(clock.sleeping).toBe(0)
})

test('on a socket that was handed over as many connections wait as on its own', async () => {
  const path = socketPath()
  const handed = BoundSocket.atPath(path) // the listener closes its descriptor
  let taken = 0
  const all = Promise.withResolvers<undefined>()
  await using _listener = await listenUnix(path, { mode: 0o600, fd: handed.fd, onConnection: (socket) => {
    socket.destroy()
    if (++taken === 700) all.resolve(undefined)
  } })
  // all within one tick, so that none is accepted between them
  const sockets = Array.from({ length: 700 }, () => connect(path).on('error', all.reject))
  await all.promise
  for (const socket of sockets) socket.destroy()
})
