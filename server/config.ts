import { address, duration, flag, group, integer, list, oneOf, optional, required, text, trustDomain, withDefault } from '../src/config/fields.ts'
import type { HostAndPort } from '../src/config/fields.ts'
import type { SettingPaths } from '../src/config/live.ts'
import { parseConfig } from '../src/config/reader.ts'
import type { Overrides } from '../src/config/reader.ts'
import { configSchema } from '../src/config/schema.ts'
import { tracingFields, tracingOf } from '../src/config/tracing.ts'
import type { TracingConfig } from '../src/config/tracing.ts'
import type { JsonSchema } from '../src/config/schema.ts'
import { MayflyError } from '../src/core/errors.ts'
import type { ServerLimits } from './limits.ts'
import type { TrustDomain } from '../src/core/spiffe-id.ts'

/** What a server is told: frozen, every value checked. */
export interface ServerConfig {
  readonly trustDomain: TrustDomain
  /** The database, the keys and by default the admin socket are below it. */
  readonly dataDir: string
  /** Where agents and admins connect with TLS. Port 0: any. */
  readonly listen: HostAndPort
  /** What join lines say; unset: the address listened on. */
  readonly advertise: HostAndPort | undefined
  readonly adminSocket: string
  /** Who may use the admin socket. */
  readonly adminUids: readonly number[]
  /** Entries may select the uids of {@link adminUids}: for `mayfly dev`, where one person is all. */
  readonly dev: boolean
  readonly keyStorage: 'disk' | 'memory'
  readonly authorityTtlMs: number
  readonly x509SvidTtlMs: number
  readonly agentSvidTtlMs: number
  readonly crl: {
    /** Where lists are served over HTTP; unset: nowhere. */
    readonly listen: HostAndPort | undefined
    /** Where they are kept as files; unset: nowhere. */
    readonly directory: string | undefined
    /** A command and its arguments, run after the files have changed. */
    readonly reload: readonly string[]
  }
  /** How people are told that something waits for their approval. */
  readonly approvals: {
    /** Gets a POST with JSON; unset: nothing is posted. */
    readonly webhook: string | undefined
    /** A command and its arguments that gets the same JSON on its standard input; empty: none. */
    readonly command: readonly string[]
  }
  /** Where metrics and probes are served over HTTP; unset: nowhere. */
  readonly metricsAddress: HostAndPort | undefined
  /** Where traces go; unset: nothing is traced. */
  readonly tracing: TracingConfig | undefined
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly maxConnections: number
  readonly limits: ServerLimits
  /** How long calls may finish when the server stops. */
  readonly drainMs: number
}

const dayMs = 86_400_000
const hourMs = 3_600_000
const maxSocketPathBytes = 107

const fields = {
  trustDomain: required(trustDomain()),
  dataDir: withDefault(text(), '.mayfly/server'),
  listen: withDefault(address(), { host: '127.0.0.1', port: 8081 }),
  advertise: optional(address()),
  adminSocket: optional(text(maxSocketPathBytes)),
  adminUids: optional(list(integer(0, 4_294_967_294), 100)),
  dev: withDefault(flag(), false),
  logLevel: withDefault(oneOf('debug', 'info', 'warn', 'error'), 'info'),
  maxConnections: withDefault(integer(1, 100_000), 12_000),
  drain: withDefault(duration(0, 60_000), 2_000),
  limits: group({
    attestationsPerSecond: withDefault(integer(1, 1_000_000), 50),
    renewalsPerSecond: withDefault(integer(1, 1_000_000), 1),
    signaturesPerSecond: withDefault(integer(1, 1_000_000), 20_000),
    entriesPerSecond: withDefault(integer(1, 1_000_000), 20_000),
    messagesPerSecond: withDefault(integer(1, 1_000_000), 20_000),
    leakReportsPerSecond: withDefault(integer(1, 1_000_000), 5),
    grantRequestsPerSecond: withDefault(integer(1, 1_000_000), 500),
  }),
  tracing: tracingFields,
  metrics: group({
    address: optional(address()),
  }),
  approvals: group({
    webhook: optional(text(2_048)),
    command: withDefault(list(text(1_024), 50), []),
  }),
  crl: group({
    listen: optional(address()),
    directory: optional(text()),
    reload: withDefault(list(text(1_024), 50), []),
  }),
  ca: group({
    keyStorage: withDefault(oneOf('disk', 'memory'), 'disk'),
    authorityTtl: withDefault(duration(10_000, 366 * dayMs), 7 * dayMs),
    x509SvidTtl: withDefault(duration(2_000, hourMs), 900_000),
    agentSvidTtl: withDefault(duration(2_000, hourMs), hourMs),
  }),
}

/** Which key each setting comes from, and what a running server takes over. */
export const serverSettings: SettingPaths<ServerConfig> = {
  trustDomain: { path: 'trustDomain', live: false },
  dataDir: { path: 'dataDir', live: false },
  listen: { path: 'listen', live: false },
  advertise: { path: 'advertise', live: true },
  adminSocket: { path: 'adminSocket', live: false },
  adminUids: { path: 'adminUids', live: false },
  dev: { path: 'dev', live: false },
  keyStorage: { path: 'ca.keyStorage', live: false },
  authorityTtlMs: { path: 'ca.authorityTtl', live: false },
  x509SvidTtlMs: { path: 'ca.x509SvidTtl', live: true },
  agentSvidTtlMs: { path: 'ca.agentSvidTtl', live: true },
  crl: { path: 'crl', live: false },
  approvals: { path: 'approvals', live: false },
  metricsAddress: { path: 'metrics.address', live: false },
  tracing: { path: 'tracing', live: false },
  logLevel: { path: 'logLevel', live: true },
  maxConnections: { path: 'maxConnections', live: false },
  limits: { path: 'limits', live: true },
  drainMs: { path: 'drain', live: true },
}

/** For editors: docs/schema. */
export function serverConfigSchema(): JsonSchema {
  return configSchema(fields, 'Configuration of a mayfly server')
}

/** The flags of `server/main.ts` that stand for a key, by the key's path. */
export const flagPaths: Readonly<Record<string, string>> = {
  'trust-domain': 'trustDomain',
  data: 'dataDir',
  listen: 'listen',
  advertise: 'advertise',
  'admin-socket': 'adminSocket',
  'admin-uid': 'adminUids',
  dev: 'dev',
  'log-level': 'logLevel',
  'key-storage': 'ca.keyStorage',
  'authority-ttl': 'ca.authorityTtl',
  'metrics-address': 'metrics.address',
  'crl-listen': 'crl.listen',
  'crl-directory': 'crl.directory',
  'x509-svid-ttl': 'ca.x509SvidTtl',
  'agent-svid-ttl': 'ca.agentSvidTtl',
}

/**
 * Reads a server's configuration.
 * @param ownUid the uid of this process: the admin when the configuration names none
 * @throws {MayflyError} CONFIG_INVALID with every problem
 */
export function parseServerConfig(yaml: string, overrides: Overrides, fileName: string, ownUid: number): ServerConfig {
  const raw = parseConfig(yaml, fields, overrides, fileName)
  const adminSocket = raw.adminSocket ?? `${raw.dataDir}/admin.sock`
  if (Buffer.byteLength(adminSocket) > maxSocketPathBytes) {
    throw new MayflyError('CONFIG_INVALID', `${fileName}: adminSocket: longer than the ${maxSocketPathBytes} bytes that a Unix socket's path may have`, { hint: 'set adminSocket, or a shorter dataDir' })
  }
  if (raw.approvals.webhook !== undefined && !/^https?:\/\/[^\s/]+/.test(raw.approvals.webhook)) throw new MayflyError('CONFIG_INVALID', `${fileName}: approvals.webhook: not an http or https URL`)
  if (raw.crl.reload.length > 0 && raw.crl.directory === undefined) throw new MayflyError('CONFIG_INVALID', `${fileName}: crl.reload: there is no crl.directory whose files could change`)
  return Object.freeze({
    trustDomain: raw.trustDomain,
    dataDir: raw.dataDir,
    listen: raw.listen,
    advertise: raw.advertise,
    adminSocket,
    adminUids: raw.adminUids ?? [ownUid],
    dev: raw.dev,
    keyStorage: raw.ca.keyStorage,
    authorityTtlMs: raw.ca.authorityTtl,
    x509SvidTtlMs: raw.ca.x509SvidTtl,
    agentSvidTtlMs: raw.ca.agentSvidTtl,
    crl: Object.freeze(raw.crl),
    approvals: Object.freeze(raw.approvals),
    metricsAddress: raw.metrics.address,
    tracing: tracingOf(raw.tracing),
    logLevel: raw.logLevel,
    maxConnections: raw.maxConnections,
    limits: raw.limits,
    drainMs: raw.drain,
  })
}
