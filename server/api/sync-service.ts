import type { AgentMessage__Output } from '../../proto/generated/mayfly/v1/AgentMessage.ts'
import type { ServerMessage } from '../../proto/generated/mayfly/v1/ServerMessage.ts'
import type { Entry } from '../../src/core/entry.ts'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { StreamHead } from '../../src/core/revocation/follower.ts'
import { serialBytes } from '../../src/core/serial.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import { skewOf } from '../../src/core/version-skew.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { termsOf } from '../limits.ts'
import type { ServerLimits } from '../limits.ts'
import type { Approvals } from '../approvals/approvals.ts'
import type { Grants } from '../grants/grants.ts'
import type { Policies } from '../policy/policies.ts'
import type { Acknowledgements } from '../registry/acknowledgements.ts'
import type { FederatedBundles } from '../registry/federated-bundles.ts'
import type { Registry } from '../registry/registry.ts'
import type { Subscription } from '../registry/subscribers.ts'
import type { RollbackWatch } from '../revocation/rollback.ts'
import type { Store } from '../store/port.ts'
import { rolledBackError } from '../store/rolled-back.ts'
import type { VerifierRegistry } from '../verifiers/registry.ts'
import { agentOf, authoritiesOf } from './agent-caller.ts'
import { AgentVersions } from './agent-versions.ts'
import { bundleToWire } from './bundle-service.ts'
import type { BundleSource } from './bundle-service.ts'
import type { Caller } from './caller.ts'
import { FederationFeed } from './federation-feed.ts'
import { firstMessage } from './first-message.ts'
import type { ServedStream } from './revocation-stream-service.ts'
import { merge } from './merge.ts'
import { refusals } from './refusal-feed.ts'
import { frameToWire, positionFromWire } from './wire-stream.ts'
import type { Admins } from './admins.ts'
import { Wakeup } from './wakeup.ts'
import { grantChanges, policyPushes } from './grant-feed.ts'
import { grantForAgent, probesFromWire } from './wire-grant.ts'
import { mayflyEntryToWire, wireSize } from './wire-entry.ts'

export interface SyncServiceDeps {
  readonly store: Store
  readonly registry: Registry
  readonly federated: Pick<FederatedBundles, 'byName' | 'onChange'>
  readonly acknowledgements: Acknowledgements
  /** Told after each new acknowledgement. */
  readonly onAcknowledged: () => void
  readonly bundles: BundleSource
  readonly revocations: ServedStream
  readonly verifiers: Pick<VerifierRegistry, 'receive' | 'agentLeft' | 'onRefused'>
  /** Is shown the newest frame of the stream that each agent took. */
  readonly rollback: Pick<RollbackWatch, 'shown' | 'rolledBack'>
  readonly grants: Pick<Grants, 'directory' | 'heard' | 'index' | 'nowMs'>
  readonly approvals: Pick<Approvals, 'mayApprove'>
  readonly policies: Pick<Policies, 'inForce' | 'onApplied'>
  /** IDs that administer by name: agents are told so, as of an entry that makes administrators. */
  readonly admins: Pick<Admins, 'ofId'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly limits: () => ServerLimits
  /** Of this server. */
  readonly version: string
}

const renewalsPerSecond = 100
const maxPartEntries = 500
const maxPartBytes = 1_000_000
const maxReportedSerials = 10_000

/** `mayfly.v1.Sync`: one stream for each agent. All that it is authorized for, then every change as soon as it is committed, with the bundle and the revocations. */
export function syncService(deps: SyncServiceDeps): Handlers<'mayfly.v1.Sync', Caller> {
  const versions = new AgentVersions(deps)
  const quota = new Quota(deps.clock, termsOf(deps.limits, 'messagesPerSecond'))
  return { Connect: (requests, { peer, signal }) => connect(requests, peer, signal, versions, quota, deps) }
}

async function* connect(requests: AsyncIterable<AgentMessage__Output>, peer: Caller, signal: AbortSignal, versions: AgentVersions, quota: Quota, deps: SyncServiceDeps): AsyncGenerator<ServerMessage> {
  const { registry, log } = deps
  const messages = requests[Symbol.asyncIterator]()
  const agentId = agentOf(peer)
  const hello = await helloOf(messages, signal, deps.clock)
  await show(hello, agentId, deps)
  if (peer.kind === 'unindexed') throw unknownAuthority(agentId, deps)
  const wakeup = new Wakeup()
  const leaving = new AbortController()
  const over = AbortSignal.any([signal, leaving.signal])
  const subscription = registry.subscribers.add(agentId, () => wakeup.wake())
  log.info({ event: 'agent.connected', agentId, connected: registry.subscribers.connected }, 'agent connected')
  try {
    await versions.record(agentId, hello.agentVersion)
    refuseSkew(hello.agentVersion, deps.version)
    yield* merge([
      bundles(deps.bundles, over),
      tainted(deps.bundles, over),
      renewals(authoritiesOf(peer), over, deps),
      entries(subscription, wakeup, over, deps),
      revocations(positionFromWire(hello.position), over, deps),
      grantChanges(agentId, over, deps.grants, async (grant) => await grantForAgent(grant, deps.approvals, deps.grants.nowMs())),
      policyPushes(over, deps.policies),
      refusals(agentId, over, deps.verifiers),
      answers(limited({ [Symbol.asyncIterator]: () => messages }, agentId, quota), agentId, deps),
    ])
  } finally {
    leaving.abort()
    deps.verifiers.agentLeft(agentId)
    subscription[Symbol.dispose]()
    log.info({ event: 'agent.disconnected', agentId, connected: registry.subscribers.connected }, 'agent disconnected')
  }
}

async function show({ newest }: NonNullable<AgentMessage__Output['hello']>, agentId: SpiffeId, { rollback }: SyncServiceDeps): Promise<void> {
  if (newest !== null && newest !== undefined) await rollback.shown(newest, agentId)
}

/** An agent whose authority is not known here is sent away once it has said what it knows. */
function unknownAuthority(agentId: SpiffeId, { rollback: { rolledBack } }: SyncServiceDeps): MayflyError {
  return rolledBack === undefined ? new MayflyError('PERMISSION_DENIED', `the authority of the SVID of ${agentId} is not one of this server`) : rolledBackError(rolledBack)
}

async function helloOf(messages: AsyncIterator<AgentMessage__Output>, signal: AbortSignal, clock: Clock): Promise<NonNullable<AgentMessage__Output['hello']>> {
  const { hello } = await firstMessage(messages, 'hello', clock, signal)
  if (hello === undefined || hello === null) throw new MayflyError('INVALID_ARGUMENT', 'the first message must be a hello')
  return hello
}

/** An agent that is too far from this server in version would not know what it is told. It stays known, and is told each time that it tries. */
function refuseSkew(agentVersion: string, version: string): void {
  const { kind } = skewOf(agentVersion, version)
  if (kind !== 'too_old' && kind !== 'too_new') return
  throw new MayflyError('VERSION_UNSUPPORTED', `an agent of version ${agentVersion} and a server of version ${version} are too far apart`, { hint: kind === 'too_old' ? 'upgrade the agent; a server speaks to agents of the minor version before its own' : 'upgrade the server first, then its agents' })
}

/** The snapshot in parts, then changes; what changes while the snapshot is read comes after it. Before entries come the bundles of the trust domains that they federate with. */
async function* entries(subscription: Subscription, wakeup: Wakeup, signal: AbortSignal, { registry, federated, admins }: Pick<SyncServiceDeps, 'registry' | 'federated' | 'admins'>): AsyncGenerator<ServerMessage> {
  const toWire = (entry: Entry): ReturnType<typeof mayflyEntryToWire> => mayflyEntryToWire(admins.ofId(entry.spiffeId) === undefined ? entry : { ...entry, admin: true })
  using federation = new FederationFeed(federated, () => wakeup.wake())
  for await (const page of registry.authorizedEntries(subscription.agentId)) {
    for (const entry of page) subscription.known.add(entry.id)
    federation.note(page, [])
    yield* federation.arrivals()
    for (const part of partsOf(page)) yield { snapshot: { entries: part.map(toWire), complete: false } }
  }
  yield { snapshot: { entries: [], complete: true } }
  while (!signal.aborted) {
    if (!subscription.isDirty && !federation.isDirty) await wakeup.wait(signal)
    if ((!subscription.isDirty && !federation.isDirty) || signal.aborted) continue
    const { upserted, deletedIds } = await registry.changeFor(subscription)
    federation.note(upserted, deletedIds)
    yield* federation.arrivals()
    for (let at = 0; at < deletedIds.length; at += 10 * maxPartEntries) yield { change: { upserted: [], deletedIds: deletedIds.slice(at, at + 10 * maxPartEntries) } }
    for (const part of partsOf(upserted)) yield { change: { upserted: part.map(toWire), deletedIds: [] } }
    yield* federation.departures()
  }
}

function* partsOf(all: readonly Entry[]): Generator<readonly Entry[]> {
  let part: Entry[] = []
  let bytes = 0
  for (const entry of all) {
    if (part.length > 0 && (part.length === maxPartEntries || bytes + wireSize(entry) > maxPartBytes)) {
      yield part
      part = []
      bytes = 0
    }
    part.push(entry)
    bytes += wireSize(entry)
  }
  if (part.length > 0) yield part
}

/** The bundle, now and whenever it changes. */
async function* bundles(source: BundleSource, signal: AbortSignal): AsyncGenerator<ServerMessage> {
  const wakeup = new Wakeup()
  const following = source.onChange(() => wakeup.wake())
  try {
    let sent: unknown
    while (!signal.aborted) {
      if (source.bundle() !== sent) {
        sent = source.bundle()
        yield { bundle: bundleToWire(source) }
      }
      await wakeup.wait(signal)
    }
  } finally {
    following[Symbol.dispose]()
  }
}

/** Which authorities below an upstream one are tainted, when there are any and whenever that changes. */
async function* tainted(source: BundleSource, signal: AbortSignal): AsyncGenerator<ServerMessage> {
  const wakeup = new Wakeup()
  const following = source.onChange(() => wakeup.wake())
  try {
    let sent = ''
    while (!signal.aborted) {
      const ids = source.all().flatMap(({ id, state, upstream }) => (state === 'tainted' && upstream !== undefined ? [id] : []))
      if (ids.join() !== sent) {
        sent = ids.join()
        yield { taintedAuthorities: { ids } }
      }
      await wakeup.wait(signal)
    }
  } finally {
    following[Symbol.dispose]()
  }
}

/**
 * Asks the agent to renew its own SVID, once another authority can sign, when one above it is tainted. Each then connects again: many agents are asked
 * one after another, at a rate that handshakes can bear.
 */
async function* renewals(signedBy: readonly string[], signal: AbortSignal, { bundles: source, registry, clock, random }: SyncServiceDeps): AsyncGenerator<ServerMessage> {
  const wakeup = new Wakeup()
  const following = source.onChange(() => wakeup.wake())
  try {
    while (!signal.aborted) {
      const isTainted = source.all().some(({ id, state }) => state === 'tainted' && signedBy.includes(id))
      if (isTainted && source.all().some(({ state }) => state === 'active')) {
        const [part = 0] = random.bytes(1)
        await clock.sleep((part / 255) * (registry.subscribers.connected / renewalsPerSecond) * 1_000, signal).catch(() => undefined) // the agent has gone
        if (signal.aborted) return
        yield { renew: { reason: 'the authority that signed the SVID of this agent is tainted' } }
        return
      }
      await wakeup.wait(signal)
    }
  } finally {
    following[Symbol.dispose]()
  }
}

async function* revocations(position: StreamHead, signal: AbortSignal, deps: SyncServiceDeps): AsyncGenerator<ServerMessage> {
  for await (const frame of deps.revocations.watch(position, signal)) yield { revocations: frameToWire(frame) }
}

/** The same messages; a stream with more of them than an agent may send ends. */
async function* limited<T>(messages: AsyncIterable<T>, agentId: SpiffeId, quota: Quota): AsyncGenerator<T> {
  for await (const message of messages) {
    quota.take(agentId, 1)
    yield message
  }
}

/** What the agent tells: acknowledgements, credentials whose last holder has exited, what verifiers report, and which grants live. */
async function* answers(messages: AsyncIterable<AgentMessage__Output>, agentId: SpiffeId, deps: SyncServiceDeps): AsyncGenerator<ServerMessage> {
  const { store, clock, log, acknowledgements } = deps
  for await (const { message, ack, ended, verifiers: reports, alive } of messages) {
    switch (message) {
      case 'ack':
        acknowledgements.acknowledge(agentId, ack?.bundleSequence ?? 0)
        deps.onAcknowledged()
        break
      case 'ended': {
        const serials = (ended?.serials ?? []).filter((serial) => serial.length === serialBytes).map((serial) => toHex(serial))
        if (serials.length > maxReportedSerials) throw new MayflyError('LIMIT_EXCEEDED', `at most ${maxReportedSerials} serials in one report`)
        const count = serials.length === 0 ? 0 : await store.credentials.endByAgent(agentId, serials, 'holder_exited', { name: agentId, atMs: clock.nowMs() })
        log.info({ event: 'credentials.ended_by_agent', agentId, reported: serials.length, ended: count }, 'holders exited')
        yield { endedAccepted: { reportId: ended?.reportId ?? 0 } }
        break
      }
      case 'verifiers':
        if (reports !== null && reports !== undefined) deps.verifiers.receive(agentId, reports)
        break
      case 'alive':
        if (alive !== null && alive !== undefined) deps.grants.heard(agentId, alive.grantIds, probesFromWire(alive.probes))
        break
      case 'hello':
      case undefined:
        throw new MayflyError('INVALID_ARGUMENT', 'a message is neither an ack nor a report')
      default:
        message satisfies never
    }
  }
}
