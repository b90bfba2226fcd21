import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { runMain } from '../dev/run-main.ts'

export const command: Command = define({
  about: 'Runs an agent until SIGTERM or Ctrl-C. It joins with the line of mayfly token create, once; later starts need none.\nOptions stand for keys of the configuration file: docs/configuration.md.',
  options: {
    join: { type: 'string', value: 'LINE', help: 'what mayfly token create printed' },
    config: { type: 'string', value: 'FILE', help: 'YAML or JSON' },
    'check-config': { type: 'boolean', help: 'only check the configuration: exit code 0 or 1' },
    data: { type: 'string', value: 'DIR', help: 'key, SVID, bundle and sockets' },
    'log-level': { type: 'string', value: 'LEVEL', help: 'debug, info, warn or error' },
  },
  examples: ['mayfly agent run --join "mayfly-join:v1:…" --data /var/lib/mayfly-agent', 'mayfly agent run --config /etc/mayfly/agent.yaml'],
  run: ({ options }, context) => runMain('agent', options, context),
})
