import { expect, test } from 'vitest'
import { parseRelayConfig } from '../../../agent/relay/config.ts'

const parse = (yaml: string): ReturnType<typeof parseRelayConfig> => parseRelayConfig(yaml, {}, 'relay.yaml')

test('a relay beside an agent needs its socket and a place to listen at, and takes its SVID from there', () => {
  expect(parse('upstreams: [unix:/run/mayfly/workload.sock, relay-b:8443]\nlisten: [0.0.0.0:8443]')).toMatchObject({
    upstreams: [{ kind: 'unix', path: '/run/mayfly/workload.sock' }, { kind: 'tls', host: 'relay-b', port: 8443 }],
    listen: [{ kind: 'tls', host: '0.0.0.0', port: 8443 }],
    workloadSocket: '/run/mayfly/workload.sock',
    maxReaders: 10_000,
  })
})

test('a relay with a bundle alone has no use for a Workload API, and no TLS', () => {
  expect(parse('upstreams: [unix:/run/a.sock]\nlisten: [unix:/run/r.sock]\ntrustDomain: example.org\ntrustBundleFile: /b.pem')).toMatchObject({ workloadSocket: undefined, trustDomain: 'example.org' })
})

test.each([
  ['upstreams: []\nlisten: []', ['upstreams: at least one', 'listen: at least one']],
  ['upstreams: [unix:/a]', ['listen']],
  ['upstreams: [relay-a:8443]\nlisten: [unix:/r]', ['the stream cannot be verified', 'TLS needs the SVID']],
  ['upstreams: [unix:/a]\nlisten: ["plain:10.0.0.1:1"]', ['only a loopback address']],
  ['upstreams: [unix:/a]\nlisten: [unix:/r]\ntrustBundleFile: /b.pem', ['trustDomain: is wanted']],
  ['upstreams: [unix:/a]\nlisten: [unix:/r]\nupstreamId: nobody', ['upstreamId']],
  ['upstreams: [unix:/a]\nlisten: [unix:/r]\nshout: true', ['shout']],
])('%j is refused with every problem', (yaml, problems) => {
  expect(() => parse(yaml)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  for (const problem of problems) expect(() => parse(yaml)).toThrow(problem)
})
