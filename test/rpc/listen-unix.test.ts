import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { listenUnix } from '../../src/rpc/listen-unix.ts'
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
