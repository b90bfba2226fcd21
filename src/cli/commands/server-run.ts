import { define } from '../command.ts'
import type { Command } from '../command.ts'
import { runMain } from '../dev/run-main.ts'

export const command: Command = define({
  about: 'Runs a server until SIGTERM or Ctrl-C. Options stand for keys of the configuration file: docs/configuration.md.',
  options: {
    config: { type: 'string', value: 'FILE', help: 'YAML or JSON' },
    'check-config': { type: 'boolean', help: 'only check the configuration: exit code 0 or 1' },
    'trust-domain': { type: 'string', value: 'NAME', help: 'the trust domain it is the authority of' },
    data: { type: 'string', value: 'DIR', help: 'database, keys and admin socket' },
    listen: { type: 'string', value: 'HOST:PORT', help: 'where agents and admins connect with TLS' },
    advertise: { type: 'string', value: 'HOST:PORT', help: 'what join lines say, if not the same' },
    'admin-socket': { type: 'string', value: 'PATH', help: 'DATA/admin.sock when unset' },
    'admin-uid': { type: 'string', multiple: true, value: 'UID', help: 'who may use the admin socket; the own uid when unset' },
    'x509-svid-ttl': { type: 'string', value: '15m', help: 'how long an X.509-SVID lives' },
    'agent-svid-ttl': { type: 'string', value: '1h', help: "how long an agent's lives" },
    'authority-ttl': { type: 'string', value: '7d', help: 'how long an authority lives' },
    'crl-listen': { type: 'string', value: 'HOST:PORT', help: 'serve lists of revoked certificates over HTTP here' },
    'crl-directory': { type: 'string', value: 'DIR', help: 'keep them as files here' },
    'metrics-address': { type: 'string', value: 'HOST:PORT', help: 'serve /metrics, /live and /ready over HTTP here' },
    'key-storage': { type: 'string', value: 'WHERE', help: 'disk, memory or pkcs11' },
    'key-type': { type: 'string', value: 'TYPE', help: 'keys of authorities: ec-p256, ec-p384, rsa-2048 or rsa-4096' },
    'log-level': { type: 'string', value: 'LEVEL', help: 'debug, info, warn or error' },
  },
  examples: ['mayfly server run --trust-domain example.org --data /var/lib/mayfly --listen 0.0.0.0:8081', 'mayfly server run --config /etc/mayfly/server.yaml --check-config'],
  run: ({ options }, context) => runMain('server', options, context),
})
