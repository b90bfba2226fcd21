import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import { ServiceManager } from '../../src/system/service-manager.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { NotifyReceiver } from '../support/processes/notify-receiver.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

describe.each([
  ['a file', () => join(folder(), 'n')],
  ['an abstract name', () => `@mf-${process.pid}-notify`],
])('what is told to %s', (_, pathOf) => {
  test('arrives as sd_notify(3) writes it: ready, reloading, stopping', async () => {
    const path = pathOf()
    using receiver = new NotifyReceiver(path)
    using manager = ServiceManager.take({ NOTIFY_SOCKET: path }, 1, [])
    manager.ready('serving\non two lines')
    manager.reloading()
    manager.stopping()
    await expect.poll(() => receiver.heard.length).toBe(3)
    expect(receiver.heard[0]).toBe('READY=1\nSTATUS=serving on two lines')
    expect(receiver.heard[1]).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/)
    expect(receiver.heard[2]).toMatch(/^STOPPING=1/)
  })
})

test('the watchdog hears twice in each interval, and nothing once it is over', async () => {
  const path = join(folder(), 'n')
  using receiver = new NotifyReceiver(path)
  const clock = new FakeClock()
  const manager = ServiceManager.take({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7, [])
  const running = manager.keepAlive(clock)
  await clock.advance(60_000)
  await expect.poll(() => receiver.heard).toEqual(Array(5).fill('WATCHDOG=1'))
  manager[Symbol.dispose]()
  await running
})

test('a receiver that is gone is no failure', () => {
  using manager = ServiceManager.take({ NOTIFY_SOCKET: join(folder(), 'nobody') }, 1, [])
  manager.ready('x')
})

test('sockets are taken by name, and the environment keeps nothing for children', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'tls:admin', OTHER: 'x' }
  using manager = ServiceManager.take(env, 7, ['tls', 'admin'])
  expect([...manager.listeners]).toEqual([['tls', 3], ['admin', 4]])
  expect(manager.watchdogMs).toBeUndefined()
  expect(env).toEqual({ OTHER: 'x' })
})

test.each([
  [{ LISTEN_PID: '8', LISTEN_FDS: '1', LISTEN_FDNAMES: 'tls' }],
  [{ LISTEN_PID: '7', LISTEN_FDS: 'many', LISTEN_FDNAMES: 'tls' }],
  [{ LISTEN_FDS: '1', LISTEN_FDNAMES: 'tls' }],
])('what is not for this process is not taken: %o', (env) => {
  using manager = ServiceManager.take(env, 7, ['tls'])
  expect(manager.listeners.size).toBe(0)
})

test.each([
  [{ LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'unknown' }],
  [{ LISTEN_PID: '7', LISTEN_FDS: '1' }],
  [{ LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'tls:tls' }],
])('a socket that nobody has a use for is refused with the names there are: %o', (env) => {
  expect(() => ServiceManager.take(env, 7, ['tls', 'admin'])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', hint: expect.stringContaining('tls, admin') }))
})

test('another watchdog is not fed by this process', () => {
  using manager = ServiceManager.take({ WATCHDOG_USEC: '1000000', WATCHDOG_PID: '9' }, 7, [])
  expect(manager.watchdogMs).toBeUndefined()
})

test.each(['relative', '@', `/${'x'.repeat(200)}`])('a socket path that cannot be one is refused: %s', (path) => {
  expect(() => ServiceManager.take({ NOTIFY_SOCKET: path }, 7, [])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
