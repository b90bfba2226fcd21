import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import { parseAgentConfig } from '../../agent/config.ts'
import { parseRelayConfig } from '../../agent/relay/config.ts'
import { parseServerConfig } from '../../server/config.ts'
import { parse } from '../../src/cli/arguments.ts'
import { find } from '../../src/cli/table.ts'
import { root } from '../support/product/process.ts'

const folder = join(root, 'docs/deploy')
const text = (name: string): string => readFileSync(join(folder, name), 'utf8')
const settings = (unit: string, key: string): readonly string[] => [...text(unit).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value)

const server = parseServerConfig(text('server.yaml'), {}, 'server.yaml', 0)
const agent = parseAgentConfig(text('agent.yaml'), {}, 'agent.yaml', 0)
const relay = parseRelayConfig(text('relay.yaml'), {}, 'relay.yaml')

describe('docs/deploy', () => {
  test('what a socket unit binds is what the configuration says, under a name that the process knows', () => {
    expect([settings('mayfly-server.socket', 'FileDescriptorName'), settings('mayfly-server.socket', 'ListenStream')]).toEqual([['tls'], [`${server.listen.host}:${server.listen.port}`]])
    expect([settings('mayfly-agent.socket', 'FileDescriptorName'), settings('mayfly-agent.socket', 'ListenStream')]).toEqual([['workload'], [agent.workloadSocket]])
  })

  test('every command of a unit is one that mayfly has, on the sockets of the configuration', async () => {
    const lines = [...['server', 'agent'].flatMap((who) => ['ExecStart', 'ExecReload'].flatMap((key) => settings(`mayfly-${who}.service`, key))), ...settings('mayfly-relay.service', 'ExecStart')]
    expect(lines).toHaveLength(5)
    for (const line of lines) {
      const [program, ...words] = line.split(' ')
      expect(program).toBe('/usr/local/bin/mayfly')
      const found = find(words)
      if (found.kind !== 'command') throw new Error(`no command: ${line}`)
      const { command } = await found.row.load()
      expect(() => parse(found.row.name, command, found.args)).not.toThrow()
    }
    expect(settings('mayfly-server.service', 'ExecReload')[0]).toContain(server.adminSocket)
    expect(settings('mayfly-agent.service', 'ExecReload')[0]).toContain(agent.adminSocket)
  })

  test('the unit of SVID files is a command that mayfly has, on the socket of the agent, and is started once the files are there', async () => {
    const [line = ''] = settings('mayfly-svid@.service', 'ExecStart')
    const [program, ...words] = line.split(' ')
    expect(program).toBe('/usr/local/bin/mayfly')
    const found = find(words)
    if (found.kind !== 'command') throw new Error(`no command: ${line}`)
    const { command } = await found.row.load()
    expect(parse(found.row.name, command, found.args).options).toMatchObject({ socket: agent.workloadSocket, dir: `/run/${settings('mayfly-svid@.service', 'RuntimeDirectory')[0]}`, 'remove-on-exit': true })
    expect(settings('mayfly-svid@.service', 'Type')).toEqual(['notify'])
  })

  test('what the units may write is where the configurations write', () => {
    expect(server.dataDir).toBe(`/var/lib/${settings('mayfly-server.service', 'StateDirectory')[0]}`)
    expect(agent.dataDir).toBe(`/var/lib/${settings('mayfly-agent.service', 'StateDirectory')[0]}`)
    expect(relay.dataDir).toBe(`/var/lib/${settings('mayfly-relay.service', 'StateDirectory')[0]}`)
    for (const place of relay.listen) if (place.kind === 'unix') expect(place.path.startsWith(`/run/${settings('mayfly-relay.service', 'RuntimeDirectory')[0]}/`)).toBe(true)
    expect(relay.workloadSocket).toBe(agent.workloadSocket)
    expect(server.adminSocket.startsWith(`/run/${settings('mayfly-server.service', 'RuntimeDirectory')[0]}/`)).toBe(true)
    for (const path of [agent.adminSocket, agent.checkSocket, agent.workloadSocket]) expect(path.startsWith(`/run/${settings('mayfly-agent.service', 'RuntimeDirectory')[0]}/`)).toBe(true)
  })

  test.skipIf(!existsSync('/usr/bin/systemd-analyze'))('systemd finds nothing wrong with the units', () => {
    const units = mkdtempSync(join(tmpdir(), 'mf-'))
    onTestFinished(() => rmSync(units, { recursive: true, force: true }))
    const names = ['mayfly-server.service', 'mayfly-server.socket', 'mayfly-agent.service', 'mayfly-agent.socket', 'mayfly-relay.service', 'mayfly-svid@.service']
    for (const name of names) writeFileSync(join(units, name), text(name).replaceAll('/usr/local/bin/mayfly', process.execPath)) // it looks whether the program is there
    expect(execFileSync('systemd-analyze', ['verify', '--man=no', ...names.map((name) => join(units, name))], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })).toBe('')
  })
})
