import { dirname } from 'node:path'
import { address, checked, duration, flag, formatAddress, group, integer, list, oneOf, optional, text, trustDomain, withDefault } from '../src/config/fields.ts'
import type { Complain, HostAndPort, Values } from '../src/config/fields.ts'
import type { SettingPaths } from '../src/config/live.ts'
import { parseConfig } from '../src/config/reader.ts'
import type { Overrides } from '../src/config/reader.ts'
import { configSchema } from '../src/config/schema.ts'
import { tracingFields, tracingOf } from '../src/config/tracing.ts'
import type { TracingConfig } from '../src/config/tracing.ts'
import type { JsonSchema } from '../src/config/schema.ts'
import { keyTypes, type KeyType } from '../src/core/key-type.ts'
import { parseJoinLine, type JoinLine } from '../src/core/join-line.ts'
import { isSpiffeId, trustDomainOf } from '../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../src/core/spiffe-id.ts'
import type { TierChoice } from './attest/caller.ts'
import type { DockerConfig } from './attest/docker.ts'
import { elsewhereField, elsewhereOf } from './check/elsewhere-config.ts'
import type { Elsewhere } from './check/elsewhere-config.ts'
import { nodeAttestorFields } from './node/config.ts'
import type { NodeAttestorConfig } from './node/config.ts'
import { probesField, probesOf } from './grants/probe-config.ts'
import type { Probe } from './grants/probes.ts'

/** How an agent joins for the first time. */
export interface JoinConfig {
  readonly token: string
  /** From a join line: SHA-256 over the bundle, hexadecimal. Unset: `trustBundleFile` or `insecureBootstrap` says whom to believe. */
  readonly bundleDigest: string | undefined
}

/** What an agent is told: frozen, every value checked. */
export interface AgentConfig {
  /** `host:port`. Unset: as it joined before. */
  readonly serverAddress: string | undefined
  readonly trustDomain: TrustDomain | undefined
  /** Unset: only an identity of an earlier life will do. */
  readonly join: JoinConfig | undefined
  /** Where its line is, or was: it may be gone once the agent has joined. */
  readonly joinFile: string | undefined
  /** PEM or SPIFFE JWK Set. */
  readonly trustBundleFile: string | undefined
  /** SHA-256 over the bundle, 64 hexadecimal digits, where there is no join line that says it. */
  readonly trustBundleDigest: string | undefined
  /** How this node proves itself without a token. */
  readonly nodeAttestor: NodeAttestorConfig
  /** Believe whatever server answers first. */
  readonly insecureBootstrap: boolean
  /** Its sockets are below it by default: workloads must be able to pass through. */
  readonly dataDir: string
  readonly workloadSocket: string
  readonly adminSocket: string
  /** Where programs without gRPC ask for a verdict over HTTP. */
  readonly checkSocket: string
  /** Who may use the admin socket; root always may. */
  readonly adminUids: readonly number[]
  /** Whether that is nobody but the uid of this process, and root. */
  readonly onlyOwnAdmin: boolean
  /** Programs that may ask, on the admin socket, for the identities of other workloads. */
  readonly authorizedDelegates: readonly SpiffeId[]
  readonly keyStorage: 'disk' | 'memory'
  /** Of the keys that are made for workloads; a grant's is always P-256. */
  readonly svidKeyType: KeyType
  readonly bindingTier: TierChoice
  /** Where container daemons are asked about the containers of workloads. */
  readonly containerSockets: DockerConfig
  /** Largest executable that is hashed for `unix:sha256`; 0: none. */
  readonly sha256MaxBytes: number
  readonly maxSvids: number
  readonly maxConnections: number
  readonly maxConnectionsPerUid: number
  readonly maxStreamsPerUid: number
  readonly maxStreamsPerProcess: number
  readonly maxVerifiers: number
  /** Verdicts that one user may ask for in a second. */
  readonly checksPerSecond: number
  /** Where metrics and probes are served over HTTP; unset: nowhere. */
  readonly metricsAddress: HostAndPort | undefined
  /** Who knows the revocations of other trust domains, for the checks of this agent. */
  readonly checkElsewhere: readonly Elsewhere[]
  /** Facts about this machine that grant roles may demand. */
  readonly probes: readonly Probe[]
  /** Where traces go; unset: nothing is traced. */
  readonly tracing: TracingConfig | undefined
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly drainMs: number
}

const maxSocketPathBytes = 107
/** Of `/grants/<id>/sock`, an ID being 26 characters long. */
const grantSocketBytes = 39

const fields = {
  server: optional(address()),
  trustDomain: optional(trustDomain()),
  join: optional(text()),
  joinFile: optional(text()),
  joinToken: optional(text(255)),
  trustBundleFile: optional(text()),
  trustBundleDigest: optional(checked(text(64), (digest, problem) => {
    if (!/^[0-9a-f]{64}$/.test(digest)) problem('', 'must be a SHA-256, 64 hexadecimal digits of lower case')
  })),
  nodeAttestor: nodeAttestorFields,
  insecureBootstrap: withDefault(flag(), false),
  dataDir: withDefault(text(), '.mayfly/agent'),
  workloadSocket: optional(text(maxSocketPathBytes)),
  adminSocket: optional(text(maxSocketPathBytes)),
  checkSocket: optional(text(maxSocketPathBytes)),
  adminUids: optional(list(integer(0, 4_294_967_294), 100)),
  authorizedDelegates: withDefault(list(checked(text(2_048), (id, problem) => {
    if (!isSpiffeId(id)) problem('', 'not a SPIFFE ID: write it as spiffe://example.org/proxy')
  }), 100), []),
  keyStorage: withDefault(oneOf('disk', 'memory'), 'disk'),
  svidKeyType: withDefault(oneOf(...keyTypes), 'ec-p256'),
  logLevel: withDefault(oneOf('debug', 'info', 'warn', 'error'), 'info'),
  drain: withDefault(duration(0, 60_000), 1_000),
  check: group({
    elsewhere: withDefault(elsewhereField, []),
  }),
  probes: withDefault(probesField, []),
  tracing: tracingFields,
  metrics: group({
    address: optional(address()),
  }),
  attest: group({
    dockerSocket: optional(text(maxSocketPathBytes)),
    podmanSocket: optional(text(maxSocketPathBytes)),
    bindingTier: withDefault(oneOf('auto', 'cgroup', 'pidfd', 'pid'), 'auto'),
    sha256MaxBytes: withDefault(integer(0, 2 ** 40), 256 * 1024 * 1024),
  }),
  limits: group({
    maxSvids: withDefault(integer(1, 1_000_000), 10_000),
    maxConnections: withDefault(integer(1, 100_000), 12_000),
    maxConnectionsPerUid: withDefault(integer(1, 100_000), 4_000),
    maxStreamsPerUid: withDefault(integer(1, 100_000), 4_000),
    maxStreamsPerProcess: withDefault(integer(1, 100_000), 256),
    maxVerifiers: withDefault(integer(0, 100_000), 4_000),
    checksPerSecond: withDefault(integer(1, 1_000_000), 2_000),
  }),
}

type RawConfig = Values<typeof fields>

/** Which key each setting comes from, and what a running agent takes over. How it joined is of no more interest once it has. */
export const agentSettings: SettingPaths<AgentConfig> = {
  serverAddress: { path: 'server', live: false },
  trustDomain: { path: 'trustDomain', live: false },
  join: { path: 'join', live: true },
  joinFile: { path: 'joinFile', live: true },
  trustBundleFile: { path: 'trustBundleFile', live: true },
  trustBundleDigest: { path: 'trustBundleDigest', live: true },
  nodeAttestor: { path: 'nodeAttestor', live: false },
  insecureBootstrap: { path: 'insecureBootstrap', live: true },
  dataDir: { path: 'dataDir', live: false },
  workloadSocket: { path: 'workloadSocket', live: false },
  adminSocket: { path: 'adminSocket', live: false },
  checkSocket: { path: 'checkSocket', live: false },
  adminUids: { path: 'adminUids', live: false },
  onlyOwnAdmin: { path: 'adminUids', live: false },
  authorizedDelegates: { path: 'authorizedDelegates', live: true },
  keyStorage: { path: 'keyStorage', live: false },
  svidKeyType: { path: 'svidKeyType', live: true },
  bindingTier: { path: 'attest.bindingTier', live: false },
  containerSockets: { path: 'attest', live: false },
  sha256MaxBytes: { path: 'attest.sha256MaxBytes', live: false },
  maxSvids: { path: 'limits.maxSvids', live: true },
  maxConnections: { path: 'limits.maxConnections', live: false },
  maxConnectionsPerUid: { path: 'limits.maxConnectionsPerUid', live: true },
  maxStreamsPerUid: { path: 'limits.maxStreamsPerUid', live: true },
  maxStreamsPerProcess: { path: 'limits.maxStreamsPerProcess', live: true },
  maxVerifiers: { path: 'limits.maxVerifiers', live: true },
  checksPerSecond: { path: 'limits.checksPerSecond', live: true },
  checkElsewhere: { path: 'check.elsewhere', live: true },
  metricsAddress: { path: 'metrics.address', live: false },
  tracing: { path: 'tracing', live: false },
  probes: { path: 'probes', live: false },
  logLevel: { path: 'logLevel', live: true },
  drainMs: { path: 'drain', live: true },
}

/** For editors: docs/schema. */
export function agentConfigSchema(): JsonSchema {
  return configSchema(fields, 'Configuration of a mayfly agent')
}

/** The flags of `agent/main.ts` that stand for a key, by the key's path. */
export const flagPaths: Readonly<Record<string, string>> = {
  server: 'server',
  'trust-domain': 'trustDomain',
  join: 'join',
  'join-file': 'joinFile',
  'join-token': 'joinToken',
  'trust-bundle': 'trustBundleFile',
  'trust-bundle-digest': 'trustBundleDigest',
  'insecure-bootstrap': 'insecureBootstrap',
  data: 'dataDir',
  'workload-socket': 'workloadSocket',
  'admin-socket': 'adminSocket',
  'check-socket': 'checkSocket',
  'admin-uid': 'adminUids',
  'key-storage': 'keyStorage',
  'binding-tier': 'attest.bindingTier',
  'metrics-address': 'metrics.address',
  'log-level': 'logLevel',
}

/**
 * Reads an agent's configuration.
 * @param ownUid the uid of this process: the admin, with root, when the configuration names none
 * @param readJoinFile gives the text of the file that the join line is in; `undefined` when it is not there
 * @throws {MayflyError} CONFIG_INVALID with every problem; JOIN_LINE_INVALID; what `readJoinFile` throws
 */
export function parseAgentConfig(yaml: string, overrides: Overrides, fileName: string, ownUid: number, readJoinFile: (path: string) => string | undefined = () => undefined): AgentConfig {
  const lineOf = ({ join, joinFile }: RawConfig): JoinLine | undefined => {
    const text = join ?? (joinFile === undefined ? undefined : readJoinFile(joinFile))
    return text === undefined ? undefined : parseJoinLine(text)
  }
  const raw = parseConfig(yaml, fields, overrides, fileName, flagPaths, (values, problem) => {
    joinProblems(values, lineOf(values), problem)
    socketProblems(values, problem)
    ownElsewhere(values.check.elsewhere, values.trustDomain ?? lineOf(values)?.trustDomain, problem)
  })
  const line = lineOf(raw)
  const token = line?.token ?? raw.joinToken
  const adminUids = raw.adminUids ?? [ownUid]
  return Object.freeze({
    serverAddress: raw.server === undefined ? line?.address : formatAddress(raw.server),
    trustDomain: raw.trustDomain ?? line?.trustDomain,
    join: token === undefined ? undefined : Object.freeze({ token, bundleDigest: line?.bundleDigest }),
    joinFile: raw.joinFile,
    trustBundleFile: raw.trustBundleFile,
    trustBundleDigest: raw.trustBundleDigest,
    nodeAttestor: Object.freeze(raw.nodeAttestor),
    insecureBootstrap: raw.insecureBootstrap,
    dataDir: raw.dataDir,
    ...socketsOf(raw),
    adminUids,
    onlyOwnAdmin: adminUids.every((uid) => uid === ownUid),
    authorizedDelegates: Object.freeze(raw.authorizedDelegates.filter(isSpiffeId)), // all of them: the field took no other
    keyStorage: raw.keyStorage,
    svidKeyType: raw.svidKeyType,
    bindingTier: raw.attest.bindingTier,
    containerSockets: Object.freeze({ dockerSocket: raw.attest.dockerSocket, podmanSocket: raw.attest.podmanSocket }),
    sha256MaxBytes: raw.attest.sha256MaxBytes,
    maxSvids: raw.limits.maxSvids,
    maxConnections: raw.limits.maxConnections,
    maxConnectionsPerUid: raw.limits.maxConnectionsPerUid,
    maxStreamsPerUid: raw.limits.maxStreamsPerUid,
    maxStreamsPerProcess: raw.limits.maxStreamsPerProcess,
    maxVerifiers: raw.limits.maxVerifiers,
    checksPerSecond: raw.limits.checksPerSecond,
    checkElsewhere: Object.freeze(elsewhereOf(raw.check.elsewhere)),
    metricsAddress: raw.metrics.address,
    tracing: tracingOf(raw.tracing),
    probes: probesOf(raw.probes),
    logLevel: raw.logLevel,
    drainMs: raw.drain,
  })
}

/** How the agent joins, said once and in full. */
function joinProblems(raw: RawConfig, line: JoinLine | undefined, problem: Complain): void {
  if (raw.join !== undefined && raw.joinFile !== undefined) problem('joinFile', 'there is a join line already')
  if (line !== undefined && raw.joinToken !== undefined) problem('joinToken', 'the join line has a token already')
  if (line !== undefined && raw.trustDomain !== undefined && raw.trustDomain !== line.trustDomain) problem('trustDomain', `the join line is for ${line.trustDomain}`)
  if (raw.insecureBootstrap && raw.trustBundleFile !== undefined) problem('insecureBootstrap', 'there is a trustBundleFile, so nothing has to be believed')
  const isServerKnown = raw.trustBundleFile !== undefined || raw.trustBundleDigest !== undefined || raw.insecureBootstrap
  if (raw.joinToken !== undefined && !isServerKnown) problem('joinToken', 'needs a trustBundleFile to know the server by; a join line pins it, and insecureBootstrap believes whoever answers')
  if (raw.joinToken !== undefined && (raw.server === undefined || raw.trustDomain === undefined)) problem('joinToken', 'needs server and trustDomain')
  const attests = Object.values(raw.nodeAttestor).some((each) => each !== undefined)
  if (attests && (line !== undefined || raw.joinToken !== undefined)) problem('nodeAttestor', 'this node joins with a token: take one of the two away')
  if (attests && !isServerKnown) problem('nodeAttestor', 'needs a trustBundleFile or a trustBundleDigest to know the server by; insecureBootstrap believes whoever answers')
  if (raw.trustBundleDigest !== undefined && (line !== undefined || raw.trustBundleFile !== undefined || raw.insecureBootstrap)) problem('trustBundleDigest', 'there is another way to know the server by')
  const trustDomain = raw.trustDomain ?? line?.trustDomain
  for (const [at, id] of raw.authorizedDelegates.entries()) {
    if (trustDomain !== undefined && isSpiffeId(id) && trustDomainOf(id) !== trustDomain) problem(`authorizedDelegates[${at}]`, `of another trust domain than ${trustDomain}`)
  }
}

/** Nobody but its own stream says what its own trust domain has revoked. */
function ownElsewhere(items: RawConfig['check']['elsewhere'], own: TrustDomain | undefined, problem: Complain): void {
  for (const [at, { trustDomain }] of items.entries()) if (trustDomain === own) problem(`check.elsewhere[${at}]`, `${trustDomain} is the trust domain of this agent: its own stream knows its revocations`)
}

function socketProblems(raw: RawConfig, problem: Complain): void {
  for (const [path, socket] of Object.entries(socketsOf(raw))) {
    if (Buffer.byteLength(socket) > maxSocketPathBytes) problem(path, `longer than the ${maxSocketPathBytes} bytes that a Unix socket's path may have: set it, or a shorter dataDir`)
  }
  const tooLong = Buffer.byteLength(raw.dataDir) + grantSocketBytes - maxSocketPathBytes
  if (tooLong > 0) problem('dataDir', `longer by ${tooLong} bytes than the ${maxSocketPathBytes - grantSocketBytes} that leave room for the sockets of grants below it`)
}

function socketsOf({ dataDir, adminSocket, checkSocket, workloadSocket = `${dataDir}/workload.sock` }: RawConfig): Pick<AgentConfig, 'workloadSocket' | 'adminSocket' | 'checkSocket'> {
  return { workloadSocket, adminSocket: adminSocket ?? `${dataDir}/admin.sock`, checkSocket: checkSocket ?? `${dirname(workloadSocket)}/check.sock` }
}
