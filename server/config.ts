import { address, checked, duration, flag, group, integer, list, oneOf, optional, record, required, text, trustDomain, withDefault } from '../src/config/fields.ts'
import type { HostAndPort } from '../src/config/fields.ts'
import type { SettingPaths } from '../src/config/live.ts'
import { parseConfig } from '../src/config/reader.ts'
import type { Overrides } from '../src/config/reader.ts'
import { configSchema } from '../src/config/schema.ts'
import { tracingFields, tracingOf } from '../src/config/tracing.ts'
import type { TracingConfig } from '../src/config/tracing.ts'
import type { JsonSchema } from '../src/config/schema.ts'
import { nodeAttestorFields } from './attest/config.ts'
import type { NodeAttestorsConfig } from './attest/config.ts'
import { keyTypes, type KeyType } from '../src/core/key-type.ts'
import type { TokenConfig } from './ca/pkcs11/token.ts'
import type { DiskUpstreamConfig } from './ca/upstream/disk.ts'
import type { ServerLimits } from './limits.ts'
import { adminRoles } from '../src/core/admin-role.ts'
import { isSpiffeId, parseSpiffeId } from '../src/core/spiffe-id.ts'
import type { TrustDomain } from '../src/core/spiffe-id.ts'
import type { NamedAdmin } from './api/admins.ts'

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
  /** Others who may administer, each with some of the roles. */
  readonly admins: readonly NamedAdmin[]
  /** Entries may select the uids of {@link adminUids}: for `mayfly dev`, where one person is all. */
  readonly dev: boolean
  readonly keyStorage: 'disk' | 'memory' | 'pkcs11'
  /** Of the keys of authorities that are made from now on. */
  readonly keyType: KeyType
  /** What signs the authorities; unset: each signs itself. */
  readonly upstream: DiskUpstreamConfig | undefined
  /** Where the keys are, when {@link keyStorage} says so. */
  readonly pkcs11: Pkcs11Config | undefined
  readonly authorityTtlMs: number
  readonly x509SvidTtlMs: number
  readonly agentSvidTtlMs: number
  /** How nodes may prove themselves beside join tokens. */
  readonly nodeAttestors: NodeAttestorsConfig
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

/** A token, and where its PIN is: never in the configuration itself. */
export interface Pkcs11Config extends TokenConfig {
  readonly pinFile: string | undefined
  /** Name of a variable of the environment, which is taken out of it. */
  readonly pinEnv: string
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
  admins: withDefault(list(checked(record({
    uid: optional(integer(0, 4_294_967_294)),
    spiffeId: optional(text(2_048)),
    roles: required(list(oneOf(...adminRoles), 10)),
  }), ({ uid, spiffeId, roles }, problem) => {
    if ((uid === undefined) === (spiffeId === undefined)) problem('', 'names either a uid or a spiffeId')
    if (spiffeId !== undefined && !isSpiffeId(spiffeId)) problem('spiffeId', 'not a SPIFFE ID')
    if (roles.length === 0) problem('roles', 'at least one role')
  }), 100), []),
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
  nodeAttestors: nodeAttestorFields,
  approvals: group({
    webhook: optional(checked(text(2_048), (url, problem) => {
      if (!/^https?:\/\/[^\s/]+/.test(url)) problem('', 'not an http or https URL')
    })),
    command: withDefault(list(text(1_024), 50), []),
  }),
  crl: checked(group({
    listen: optional(address()),
    directory: optional(text()),
    reload: withDefault(list(text(1_024), 50), []),
  }), ({ reload, directory }, problem) => {
    if (reload.length > 0 && directory === undefined) problem('reload', 'there is no crl.directory whose files could change')
  }),
  ca: checked(group({
    keyStorage: withDefault(oneOf('disk', 'memory', 'pkcs11'), 'disk'),
    keyType: withDefault(oneOf(...keyTypes), 'ec-p256'),
    upstream: checked(group({
      certPath: optional(text()),
      keyPath: optional(text()),
      bundlePath: optional(text()),
      crlPath: optional(text()),
    }), (upstream, problem) => {
      const isNamed = Object.values(upstream).some((path) => path !== undefined)
      if (isNamed && (upstream.certPath === undefined || upstream.keyPath === undefined)) problem('', 'certPath and keyPath go together')
    }),
    pkcs11: group({
      module: optional(text()),
      token: optional(text(32)),
      slot: optional(integer(0, Number.MAX_SAFE_INTEGER)),
      pinFile: optional(text()),
      pinEnv: withDefault(text(100), 'MAYFLY_PKCS11_PIN'),
      labelPrefix: withDefault(text(60), 'mayfly-'),
    }),
    authorityTtl: withDefault(duration(10_000, 366 * dayMs), 7 * dayMs),
    x509SvidTtl: withDefault(duration(2_000, hourMs), 900_000),
    agentSvidTtl: withDefault(duration(2_000, hourMs), hourMs),
  }), ({ keyStorage, pkcs11: { module, token, slot } }, problem) => {
    if (keyStorage === 'pkcs11' && (module === undefined || (token === undefined) === (slot === undefined))) problem('pkcs11', 'keyStorage pkcs11 wants a module, and either token (its label) or slot')
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
  admins: { path: 'admins', live: false },
  dev: { path: 'dev', live: false },
  keyStorage: { path: 'ca.keyStorage', live: false },
  keyType: { path: 'ca.keyType', live: false },
  upstream: { path: 'ca.upstream', live: false },
  pkcs11: { path: 'ca.pkcs11', live: false },
  authorityTtlMs: { path: 'ca.authorityTtl', live: false },
  x509SvidTtlMs: { path: 'ca.x509SvidTtl', live: true },
  agentSvidTtlMs: { path: 'ca.agentSvidTtl', live: true },
  nodeAttestors: { path: 'nodeAttestors', live: false },
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
  'key-type': 'ca.keyType',
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
  const socketOf = ({ adminSocket, dataDir }: { readonly adminSocket: string | undefined; readonly dataDir: string }): string => adminSocket ?? `${dataDir}/admin.sock`
  const raw = parseConfig(yaml, fields, overrides, fileName, flagPaths, (values, problem) => {
    if (Buffer.byteLength(socketOf(values)) > maxSocketPathBytes) problem('adminSocket', `longer than the ${maxSocketPathBytes} bytes that a Unix socket's path may have: set it, or a shorter dataDir`)
    const roots = values.adminUids ?? [ownUid]
    for (const [at, { uid }] of values.admins.entries()) if (uid !== undefined && roots.includes(uid)) problem(`admins[${at}]`, `uid ${uid} is one of adminUids, who may do everything`)
  })
  return Object.freeze({
    trustDomain: raw.trustDomain,
    dataDir: raw.dataDir,
    listen: raw.listen,
    advertise: raw.advertise,
    adminSocket: socketOf(raw),
    adminUids: raw.adminUids ?? [ownUid],
    admins: raw.admins.map(({ uid, spiffeId, roles }) => Object.freeze({ uid, spiffeId: spiffeId === undefined ? undefined : parseSpiffeId(spiffeId), roles })),
    dev: raw.dev,
    keyStorage: raw.ca.keyStorage,
    keyType: raw.ca.keyType,
    upstream: upstreamOf(raw.ca.upstream),
    pkcs11: raw.ca.keyStorage === 'pkcs11' ? pkcs11Of(raw.ca.pkcs11) : undefined,
    authorityTtlMs: raw.ca.authorityTtl,
    x509SvidTtlMs: raw.ca.x509SvidTtl,
    agentSvidTtlMs: raw.ca.agentSvidTtl,
    nodeAttestors: Object.freeze(raw.nodeAttestors),
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

/** Both of certPath and keyPath are there, or none. */
function upstreamOf({ certPath, keyPath, bundlePath, crlPath }: { readonly [K in keyof DiskUpstreamConfig]: string | undefined }): DiskUpstreamConfig | undefined {
  return certPath === undefined || keyPath === undefined ? undefined : Object.freeze({ certPath, keyPath, bundlePath, crlPath })
}

function pkcs11Of({ module, ...raw }: Omit<Pkcs11Config, 'module'> & { readonly module: string | undefined }): Pkcs11Config | undefined {
  return module === undefined ? undefined : Object.freeze({ module, ...raw })
}
