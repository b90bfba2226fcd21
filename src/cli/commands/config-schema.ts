import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { usage } from '../arguments.ts'
import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { mainFile } from '../dev/service.ts'

export const command: Command = define({
  arguments: '<server | agent | relay>',
  about: 'Prints the JSON Schema of a configuration file, for editors and for checks before a roll-out. The package has them in docs/schema.\nIn YAML: # yaml-language-server: $schema=server.schema.json',
  options: {},
  positionals: [1, 1],
  examples: ['mayfly config schema server > server.schema.json', 'mayfly config schema agent'],
  async run({ positionals: [of = ''] }) {
    if (of !== 'server' && of !== 'agent' && of !== 'relay') throw usage('config schema', `no configuration of ${JSON.stringify(of)}`)
    const child = spawn(process.execPath, [mainFile(of), '--config-schema'], { stdio: ['ignore', 'inherit', 'inherit'] })
    const [code] = (await once(child, 'exit')) as [number | null] // what 'exit' is emitted with
    return code ?? 1
  },
})
