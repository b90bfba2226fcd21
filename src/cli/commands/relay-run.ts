import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { runMain } from '../dev/run-main.ts'

export const command: Command = define({
  about: [
    'Runs a relay of the revocation stream until SIGTERM or Ctrl-C: it reads from an agent or another relay and serves verifiers and further',
    'relays. It holds no key, and nobody has to trust it. A place is unix:/path, host:port with TLS, or plain:127.0.0.1:port.',
    'Options stand for keys of the configuration file: docs/configuration.md; see docs/relays.md.',
  ].join('\n'),
  options: {
    upstream: { type: 'string', multiple: true, value: 'PLACE', help: 'where the stream is read from, the best first' },
    'upstream-id': { type: 'string', value: 'ID', help: 'which relay an upstream over TLS must be; any member of the trust domain when unset' },
    listen: { type: 'string', multiple: true, value: 'PLACE', help: 'where it is served; port 0 is any' },
    'workload-socket': { type: 'string', value: 'PATH', help: 'the Workload API that gives this relay its SVID and bundle; the first upstream over a socket when unset' },
    'trust-bundle': { type: 'string', value: 'FILE', help: 'a bundle instead, with --trust-domain: for a relay without TLS' },
    'trust-domain': { type: 'string', value: 'NAME', help: 'the trust domain whose stream it is' },
    data: { type: 'string', value: 'DIR', help: 'where the highest head of the stream is kept; .mayfly/relay when unset' },
    'metrics-address': { type: 'string', value: 'HOST:PORT', help: 'serve /metrics, /live and /ready over HTTP here' },
    'log-level': { type: 'string', value: 'LEVEL', help: 'debug, info, warn or error' },
    config: { type: 'string', value: 'FILE', help: 'YAML or JSON' },
    'check-config': { type: 'boolean', help: 'only check the configuration: exit code 0 or 1' },
  },
  examples: ['mayfly relay run --upstream unix:/run/mayfly/workload.sock --listen 0.0.0.0:8443', 'mayfly relay run --upstream relay-a:8443 --upstream relay-b:8443 --listen unix:/run/mayfly-relay/relay.sock --workload-socket /run/mayfly/workload.sock'],
  run: ({ options }, context) => runMain('relay', options, context),
})
