import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import { RpcChannel } from '../../src/rpc/channel.ts'
import { systemClock } from '../../src/system/clock.ts'
import { encodeCertificatesPem } from '../../src/x509/pem.ts'
import { BoundSocket } from '../support/processes/bound-socket.ts'
import { NotifyReceiver } from '../support/processes/notify-receiver.ts'
import { main, node24, root } from '../support/product/process.ts'
import { authority } from '../support/verify/certificates.ts'

/** As systemd does: sockets are bound before the process is, and stay when it goes. */
describe('a server under a service manager', () => {
  let folder: string
  let receiver: NotifyReceiver
  let tls: BoundSocket
  let admin: BoundSocket
  const children: ChildProcess[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mf-'))
    receiver = new NotifyReceiver(join(folder, 'notify'))
    tls = BoundSocket.onLoopback()
    admin = BoundSocket.atPath(join(folder, 'admin.sock'))
  })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    receiver[Symbol.dispose]()
    tls[Symbol.dispose]()
    admin[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  /** @param command its first words, before the options of a server */
  function start(command: readonly string[]): ChildProcess {
    const options = ['--trust-domain', 'example.org', '--data', join(folder, 'server'), '--admin-socket', join(folder, 'admin.sock'), '--listen', '127.0.0.1:1']
    const child = spawn('sh', ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...command, ...options], {
      stdio: ['ignore', 'pipe', 'inherit', tls.fd, admin.fd],
      env: { ...process.env, LISTEN_FDS: '2', LISTEN_FDNAMES: 'tls:admin', NOTIFY_SOCKET: join(folder, 'notify'), WATCHDOG_USEC: '200000' },
    })
    children.push(child)
    return child
  }

  test.each([
    ['its main', () => [node24, main('server')]],
    ['the command line, which becomes the main under the same pid', () => [node24, join(root, 'src/cli/main.ts'), 'server', 'run']],
  ])('started as %s serves on the sockets it was handed, says when it is ready, that it lives, and that it stops', async (_, command) => {
    const child = start(command())
    const serving = await servingOf(child)
    expect(serving['address']).toBe(`127.0.0.1:${tls.port}`)
    expect(serving['pid']).toBe(child.pid)
    await expect.poll(() => receiver.heard.filter((text) => text.startsWith('READY=1')).length).toBe(1)
    await expect.poll(() => receiver.heard.filter((text) => text === 'WATCHDOG=1').length).toBeGreaterThan(2)
    {
      using channel = RpcChannel.connectUnix(join(folder, 'admin.sock'), { clock: systemClock })
      expect((await channel.unary('mayfly.v1.Status', 'Get', {})).trustDomain).toBe('example.org')
    }
    child.kill('SIGTERM')
    await once(child, 'exit')
    expect(receiver.heard.some((text) => text.startsWith('STOPPING=1'))).toBe(true)
    expect(statSync(join(folder, 'admin.sock')).isSocket()).toBe(true)

    const next = start(command())
    expect((await servingOf(next))['address']).toBe(`127.0.0.1:${tls.port}`)
  })

  test('is refused a socket that is bound elsewhere than the configuration says', async () => {
    const child = spawn('sh', ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', node24, main('server'), '--trust-domain', 'example.org', '--data', join(folder, 'server'), '--listen', '127.0.0.1:0'], {
      stdio: ['ignore', 'ignore', 'pipe', admin.fd],
      env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'admin' },
    })
    children.push(child)
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    expect((await once(child, 'close'))[0]).toBe(1)
    expect(said).toContain('the configuration says')
    expect(existsSync(join(folder, 'admin.sock'))).toBe(true)
  })
})

test('a relay tells its service manager when it is ready, that it lives, that it reads its file again, and that it stops', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  using receiver = new NotifyReceiver(join(folder, 'notify'))
  writeFileSync(join(folder, 'bundle.pem'), encodeCertificatesPem([authority('an authority').der]))
  const file = join(folder, 'relay.yaml')
  const write = (more: string): void => writeFileSync(file, `upstreams: ['unix:${folder}/nobody']\nlisten: ['unix:${folder}/r']\ntrustDomain: example.org\ntrustBundleFile: ${folder}/bundle.pem\ndataDir: ${folder}/relay\n${more}`)
  write('')
  const child = spawn(node24, [join(root, 'src/cli/main.ts'), 'relay', 'run', '--config', file], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, NOTIFY_SOCKET: join(folder, 'notify'), WATCHDOG_USEC: '200000' } })
  onTestFinished(() => void child.kill('SIGKILL'))
  expect((await servingOf(child))['pid']).toBe(child.pid)
  const heard = async (...starts: readonly string[]): Promise<void> => {
    await expect.poll(() => starts.filter((start) => !receiver.heard.some((text) => text.startsWith(start))), { timeout: 20_000 }).toEqual([])
  }
  await heard('READY=1', 'WATCHDOG=1')
  write('logLevel: warn\n')
  child.kill('SIGHUP')
  await heard('RELOADING=1')
  const after = receiver.heard.findIndex((text) => text.startsWith('RELOADING=1'))
  await expect.poll(() => receiver.heard.slice(after).some((text) => text.startsWith('READY=1')), { timeout: 20_000 }).toBe(true)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  await heard('STOPPING=1')
})

test.each(['SIGKILL', 'SIGTERM', 'SIGHUP'] as const)('without a service manager the command line becomes the server as well: %s is for the server itself', async (signal) => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const env = { ...process.env, NOTIFY_SOCKET: undefined, LISTEN_FDS: undefined }
  const start = (): ChildProcess => {
    const child = spawn(node24, [join(root, 'src/cli/main.ts'), 'server', 'run', '--trust-domain', 'example.org', '--data', join(folder, 'server'), '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'], env })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  const child = start()
  expect((await servingOf(child))['pid']).toBe(child.pid)
  child.kill(signal)
  if (signal === 'SIGHUP') {
    using channel = RpcChannel.connectUnix(join(folder, 'server/admin.sock'), { clock: systemClock })
    expect((await channel.unary('mayfly.v1.Status', 'Get', {})).trustDomain).toBe('example.org') // it reads its configuration again, and stays
    return
  }
  expect(await once(child, 'exit')).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null])
  expect((await servingOf(start()))['event']).toBe('serving') // nobody has its database
})

async function servingOf(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  if (child.stdout === null) throw new Error('no standard output')
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Readonly<Record<string, unknown>> // one line of JSON, as the mains promise
  throw new Error('it ended before it served')
}
