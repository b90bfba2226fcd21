import { address, checked, duration, group, integer, list, oneOf, optional, required, text, trustDomain, withDefault } from '../../src/config/fields.ts'
import type { Field, HostAndPort, Values } from '../../src/config/fields.ts'
import type { SettingPaths } from '../../src/config/live.ts'
import { parseConfig } from '../../src/config/reader.ts'
import type { Overrides } from '../../src/config/reader.ts'
import { configSchema } from '../../src/config/schema.ts'
import type { JsonSchema } from '../../src/config/schema.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../../src/core/spiffe-id.ts'
import { formatStreamPlace, parseStreamPlace, type StreamPlace } from '../../src/core/stream-place.ts'

/** What a relay is told: frozen, every value checked. */
export interface RelayConfig {
  /** Where the stream is read from, the best first: agents and other relays. */
  readonly upstreams: readonly StreamPlace[]
  /** Which relay one over TLS must be; any member of the trust domain when unset. */
  readonly upstreamId: SpiffeId | undefined
  readonly listen: readonly StreamPlace[]
  /** Where its SVID and its bundle come from; unset: `trustBundleFile` has the bundle, and there is no SVID. */
  readonly workloadSocket: string | undefined
  readonly trustDomain: TrustDomain | undefined
  readonly trustBundleFile: string | undefined
  readonly dataDir: string
  /** Where metrics and probes are served over HTTP; unset: nowhere. */
  readonly metricsAddress: HostAndPort | undefined
  readonly maxReaders: number
  /** Calls at once of one user of this machine, or of one SPIFFE ID. */
  readonly maxCallsPerPeer: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly drainMs: number
}

const maxPlaces = 8

const fields = {
  upstreams: required(places(1)),
  upstreamId: optional(checked(text(), (id, problem) => void spiffeIdOf(id, (message) => problem('', message)))),
  listen: required(places(0)),
  workloadSocket: optional(text(107)),
  trustDomain: optional(trustDomain()),
  trustBundleFile: optional(text()),
  dataDir: withDefault(text(), '.mayfly/relay'),
  logLevel: withDefault(oneOf('debug', 'info', 'warn', 'error'), 'info'),
  drain: withDefault(duration(0, 60_000), 1_000),
  metrics: group({
    address: optional(address()),
  }),
  limits: group({
    maxReaders: withDefault(integer(1, 100_000), 10_000),
    maxCallsPerPeer: withDefault(integer(1, 100_000), 4_000),
  }),
}

/** Which key each setting comes from, and what a running relay takes over. */
export const relaySettings: SettingPaths<RelayConfig> = {
  upstreams: { path: 'upstreams', live: true },
  upstreamId: { path: 'upstreamId', live: true },
  listen: { path: 'listen', live: false },
  workloadSocket: { path: 'workloadSocket', live: false },
  trustDomain: { path: 'trustDomain', live: false },
  trustBundleFile: { path: 'trustBundleFile', live: false },
  dataDir: { path: 'dataDir', live: false },
  metricsAddress: { path: 'metrics.address', live: false },
  maxReaders: { path: 'limits.maxReaders', live: false },
  maxCallsPerPeer: { path: 'limits.maxCallsPerPeer', live: true },
  logLevel: { path: 'logLevel', live: true },
  drainMs: { path: 'drain', live: true },
}

/** The flags of `agent/relay-main.ts` that stand for a key, by the key's path. */
export const relayFlagPaths: Readonly<Record<string, string>> = {
  upstream: 'upstreams',
  'upstream-id': 'upstreamId',
  listen: 'listen',
  'workload-socket': 'workloadSocket',
  'trust-domain': 'trustDomain',
  'trust-bundle': 'trustBundleFile',
  data: 'dataDir',
  'metrics-address': 'metrics.address',
  'log-level': 'logLevel',
}

/** For editors: docs/schema. */
export function relayConfigSchema(): JsonSchema {
  return configSchema(fields, 'Configuration of a mayfly relay')
}

/** Reads a relay's configuration. @throws {MayflyError} CONFIG_INVALID with every problem */
export function parseRelayConfig(yaml: string, overrides: Overrides, fileName: string): RelayConfig {
  const raw = parseConfig(yaml, fields, overrides, fileName, relayFlagPaths, (values, problem) => {
    const workloadSocket = workloadSocketOf(values)
    if (values.trustBundleFile !== undefined && values.trustDomain === undefined) problem('trustDomain', 'is wanted with a trustBundleFile')
    if (values.trustBundleFile !== undefined && values.workloadSocket !== undefined) problem('trustBundleFile', 'the Workload API brings the bundle: one of the two')
    if (workloadSocket === undefined && values.trustBundleFile === undefined) problem('workloadSocket', 'the Workload API of an agent is wanted, or a trustBundleFile: without the bundle the stream cannot be verified')
    if (workloadSocket === undefined && [...values.upstreams, ...values.listen].some(({ kind }) => kind === 'tls')) problem('workloadSocket', 'TLS needs the SVID that a Workload API gives; over a Unix socket, or plain:127.0.0.1:port, none is needed')
  })
  return Object.freeze({
    upstreams: raw.upstreams,
    upstreamId: raw.upstreamId === undefined ? undefined : parseSpiffeId(raw.upstreamId),
    listen: raw.listen,
    workloadSocket: workloadSocketOf(raw),
    trustDomain: raw.trustDomain,
    trustBundleFile: raw.trustBundleFile,
    dataDir: raw.dataDir,
    metricsAddress: raw.metrics.address,
    maxReaders: raw.limits.maxReaders,
    maxCallsPerPeer: raw.limits.maxCallsPerPeer,
    logLevel: raw.logLevel,
    drainMs: raw.drain,
  })
}

/** What is read again must be reachable by the identity that the relay has: one that was started without an SVID gets none later. @throws {MayflyError} CONFIG_INVALID */
export function checkReread(wanted: RelayConfig, started: RelayConfig, fileName: string): RelayConfig {
  if (started.workloadSocket === undefined && wanted.upstreams.some(({ kind }) => kind === 'tls')) {
    throw new MayflyError('CONFIG_INVALID', `${fileName}: upstreams: TLS needs an SVID, and this relay was started without a Workload API`, { hint: 'start it anew for that' })
  }
  return wanted
}

/** That of the first upstream over a socket, when nothing else is said and no bundle is given. */
function workloadSocketOf({ workloadSocket, trustBundleFile, upstreams }: Values<typeof fields>): string | undefined {
  const firstSocket = upstreams.find(({ kind }) => kind === 'unix')
  return workloadSocket ?? (trustBundleFile === undefined && firstSocket?.kind === 'unix' ? firstSocket.path : undefined)
}

function places(leastPort: 0 | 1): Field<readonly StreamPlace[]> {
  return checked(list(place(leastPort), maxPlaces), (all, problem) => {
    if (all.length === 0) problem('', 'at least one is wanted')
  })
}

function place(leastPort: 0 | 1): Field<StreamPlace> {
  const written = text()
  return {
    required: false,
    schema: written.schema,
    spell: formatStreamPlace,
    read: (where) => {
      const spelled = written.read(where)
      if (spelled === undefined) return undefined
      try {
        return parseStreamPlace(spelled, leastPort)
      } catch (error) {
        return where.problem(error instanceof MayflyError ? error.message : 'is not valid')
      }
    },
  }
}

function spiffeIdOf(written: string, problem: (message: string) => void): SpiffeId | undefined {
  try {
    return parseSpiffeId(written)
  } catch (error) {
    problem(error instanceof MayflyError ? error.message : 'is not valid')
    return undefined
  }
}
