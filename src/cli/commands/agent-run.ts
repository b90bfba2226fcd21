import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { runMain } from '../dev/run-main.ts'

export const command: Command = define({
  about: 'Runs an agent until SIGTERM or Ctrl-C. It joins with the line of mayfly token create, once; later starts need none.\nOptions stand for keys of the configuration file: docs/configuration.md.',
  options: {
    'join-file': { type: 'string', value: 'FILE', help: 'where what mayfly token create printed is; -: standard input' },
    join: { type: 'string', value: 'LINE', help: 'the line itself, which every user of this machine can see in the list of processes' },
    config: { type: 'string', value: 'FILE', help: 'YAML or JSON' },
    'check-config': { type: 'boolean', help: 'only check the configuration: exit code 0 or 1' },
    server: { type: 'string', value: 'HOST:PORT', help: 'the server, if not the one of the line or of before' },
    'trust-domain': { type: 'string', value: 'NAME', help: 'with --join-token: the trust domain to join' },
    'join-token': { type: 'string', value: 'TOKEN', help: 'a token alone, with --trust-bundle or --insecure-bootstrap' },
    'trust-bundle': { type: 'string', value: 'FILE', help: 'what to know the server by: PEM or a SPIFFE bundle' },
    'trust-bundle-digest': { type: 'string', value: 'SHA256', help: 'the same by its digest, as `mayfly bundle show --format digest` prints it' },
    'insecure-bootstrap': { type: 'boolean', help: 'believe whatever server answers first' },
    data: { type: 'string', value: 'DIR', help: 'key, SVID, bundle and sockets' },
    'workload-socket': { type: 'string', value: 'PATH', help: 'the Workload API; DATA/workload.sock when unset' },
    'admin-socket': { type: 'string', value: 'PATH', help: 'DATA/admin.sock when unset' },
    'check-socket': { type: 'string', value: 'PATH', help: 'where programs ask for a verdict over HTTP; check.sock beside the Workload API when unset' },
    'admin-uid': { type: 'string', multiple: true, value: 'UID', help: 'who may use the admin socket, besides root; the own uid when unset' },
    'key-storage': { type: 'string', value: 'WHERE', help: 'disk or memory' },
    'binding-tier': { type: 'string', value: 'TIER', help: 'auto, cgroup, pidfd or pid' },
    'metrics-address': { type: 'string', value: 'HOST:PORT', help: 'serve /metrics, /live and /ready over HTTP here' },
    'log-level': { type: 'string', value: 'LEVEL', help: 'debug, info, warn or error' },
  },
  examples: ['mayfly agent run --join-file /run/mayfly/join --data /var/lib/mayfly-agent', 'mayfly token create | mayfly agent run --join-file -', 'mayfly agent run --config /etc/mayfly/agent.yaml'],
  run: ({ options }, context) => runMain('agent', options, context),
})
