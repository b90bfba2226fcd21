import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { flagPaths as agentFlags } from '../../agent/config.ts'
import { relayFlagPaths } from '../../agent/relay/config.ts'
import { flagPaths as serverFlags } from '../../server/config.ts'
import { command as agentRun } from '../../src/cli/commands/agent-run.ts'
import { command as relayRun } from '../../src/cli/commands/relay-run.ts'
import { command as serverRun } from '../../src/cli/commands/server-run.ts'
import { root } from '../support/product/process.ts'

const documented = readFileSync(join(root, 'docs/configuration.md'), 'utf8')

describe.each([
  ['server', serverFlags, serverRun],
  ['agent', agentFlags, agentRun],
  ['relay', relayFlagPaths, relayRun],
] as const)('%s run', (name, flags, command) => {
  const section = documented.slice(documented.indexOf({ server: '## Server', agent: '## Agent', relay: '## Relay' }[name]))

  test.each(Object.entries(flags))('--%s is an option of the CLI and stands beside its key in docs/configuration.md', (flag, path) => {
    expect(Object.keys(command.options).concat('dev')).toContain(flag)
    expect(section.split('\n').find((line) => line.startsWith(`| \`${path}\``))).toContain(`\`--${flag}\``)
  })

  test('has no option that the main does not know', () => {
    expect(Object.keys(command.options).filter((option) => !(option in flags) && option !== 'config' && option !== 'check-config')).toEqual([])
  })
})
