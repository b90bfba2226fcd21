import { resolve } from 'node:path'
import type { Credential as CredentialMessage } from '../../proto/generated/mayfly/v1/Credential.ts'
import type { FindCredentialsRequest__Output } from '../../proto/generated/mayfly/v1/FindCredentialsRequest.ts'
import type { FindCredentialsResponse } from '../../proto/generated/mayfly/v1/FindCredentialsResponse.ts'
import type { NodeAttestorStatus } from '../../proto/generated/mayfly/v1/NodeAttestorStatus.ts'
import type { ServerStatus } from '../../proto/generated/mayfly/v1/ServerStatus.ts'
import type { UpstreamAuthorityStatus } from '../../proto/generated/mayfly/v1/UpstreamAuthorityStatus.ts'
import { toHex } from '../../src/core/bytes.ts'
import { halfLifeMs } from '../../src/core/authority.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { bundleDigest } from '../../src/x509/bundle.ts'
import type { NodeAttestor } from '../attest/node-attestor.ts'
import type { Grants } from '../grants/grants.ts'
import type { Registry } from '../registry/registry.ts'
import type { Authority, Credential, RolledBack, Store } from '../store/port.ts'
import type { BundleSource } from './bundle-service.ts'
import type { Caller } from './caller.ts'
import { eventsOf } from './event-feed.ts'
import { credentialFilter, targetFromWire } from './wire-target.ts'

export interface StatusServiceDeps {
  readonly store: Store
  readonly registry: Registry
  readonly bundles: BundleSource
  readonly clock: Clock
  readonly version: string
  /** host:port that agents reach the server by. */
  readonly agentAddress: string
  readonly startedAtMs: number
  readonly grants: Pick<Grants, 'counts'>
  readonly rollback: { readonly rolledBack: RolledBack | undefined }
  /** What stands above the authorities; `undefined`: each signs itself. */
  readonly upstreamStatus: () => UpstreamAuthorityStatus | undefined
  readonly attestors: readonly NodeAttestor[]
  /** On this machine: the data folder, and the file of the token's PIN. */
  readonly paths: { readonly dataDir: string; readonly pinFile?: string | undefined }
  /** Counts since the start. */
  readonly figures: () => { readonly csrChecks: number; readonly signatures: number; readonly rssBytes: number; readonly streamSeq: number }
}

const defaultPageSize = 100
const maxPageSize = 1_000
const maxUses = 10

/** `mayfly.v1.Status`: what the server is doing, what it issued, and what happens. */
export function statusService(deps: StatusServiceDeps): Handlers<'mayfly.v1.Status', Caller> {
  return {
    Get: async () => await statusOfServer(deps),
    WatchEvents: (_, { signal }) => eventsOf(deps.store.journal, signal),
    FindCredentials: async (request) => await findCredentials(request, deps),
  }
}

async function statusOfServer({ store, registry, bundles, clock, version, agentAddress, startedAtMs, figures, rollback: { rolledBack }, grants, upstreamStatus, attestors, paths }: StatusServiceDeps): Promise<ServerStatus> {
  const [live, journal, head] = await Promise.all([store.credentials.count({ liveAtMs: clock.nowMs() }), store.journal.figures(), store.journal.head()])
  const { csrChecks, signatures, rssBytes, streamSeq } = figures()
  return {
    version,
    trustDomain: store.domain.trustDomain,
    agentAddress,
    startedAtMs,
    authorities: bundles.all().map((authority) => ({ id: authority.id, state: authority.state, notAfterMs: authority.notAfterMs, nextTransitionAtMs: nextTransitionMs(authority) })),
    entries: registry.entries.size,
    agents: registry.agents.size,
    agentsConnected: registry.subscribers.connected,
    liveCredentials: live,
    epoch: store.domain.epoch,
    streamSeq,
    journalSeq: head.seq,
    commits: journal.commits,
    csrChecks,
    signatures,
    rssBytes,
    grants: grants.counts(),
    ...(rolledBack === undefined ? {} : { rolledBack: { epoch: rolledBack.epoch, streamSeq: rolledBack.seq, atMs: rolledBack.atMs, shownBy: rolledBack.by } }),
    upstream: upstreamStatus() ?? null,
    dataDir: resolve(paths.dataDir),
    pinPath: paths.pinFile === undefined ? '' : resolve(paths.pinFile),
    nodeAttestors: await Promise.all(attestors.map(attestorStatus)),
    bundleDigest: toHex(bundleDigest(bundles.bundle().x509Authorities)),
  }
}

async function attestorStatus(attestor: NodeAttestor): Promise<NodeAttestorStatus> {
  try {
    return { type: attestor.type, authoritiesNotAfterMs: (await attestor.look?.())?.authoritiesEndMs ?? 0 }
  } catch (error) {
    return { type: attestor.type, problem: error instanceof MayflyError ? error.message : 'its files cannot be read' }
  }
}

/** The active one is followed at half its life; the others only end. */
function nextTransitionMs(authority: Authority): number {
  return authority.state === 'active' ? Math.floor(halfLifeMs(authority)) : authority.notAfterMs
}

async function findCredentials(request: FindCredentialsRequest__Output, { store, clock }: StatusServiceDeps): Promise<FindCredentialsResponse> {
  const target = targetFromWire(request.target, store.domain.trustDomain)
  const liveAtMs = request.liveOnly ? clock.nowMs() : undefined
  if (target.kind === 'serial') {
    const found = await store.credentials.bySerial(target.serial)
    const shown = found !== undefined && (liveAtMs === undefined || isLive(found, liveAtMs))
    const uses = shown ? await store.credentials.uses(found.serial, maxUses) : []
    return { credentials: shown ? [{ ...credentialToWire(found), uses: uses.map(({ verifier, firstMs, lastMs, count, refused = false }) => ({ verifier, firstMs, lastMs, count, refused })) }] : [], nextPageToken: '' }
  }
  const size = request.pageSize <= 0 ? defaultPageSize : Math.min(request.pageSize, maxPageSize)
  const filter = { ...credentialFilter(target), ...(liveAtMs === undefined ? {} : { liveAtMs }) }
  const page = await store.credentials.list(filter, request.pageToken === '' ? { size } : { size, after: request.pageToken })
  return { credentials: page.items.map((credential) => credentialToWire(credential)), nextPageToken: page.next ?? '' }
}

function isLive(credential: Credential, atMs: number): boolean {
  return (credential.state === 'reserved' || credential.state === 'released') && credential.notAfterMs >= atMs
}

function credentialToWire(credential: Credential): CredentialMessage {
  return {
    serial: credential.serial,
    kind: credential.kind,
    spiffeId: credential.spiffeId,
    entryId: credential.entryId ?? '',
    agentId: credential.agentId ?? '',
    owner: credential.owner,
    state: credential.state,
    cause: credential.cause ?? '',
    reason: credential.reason ?? '',
    authorityId: credential.authorityId,
    issuedAtMs: credential.issuedAtMs,
    notAfterMs: credential.notAfterMs,
    endedAtMs: credential.endedAtMs ?? 0,
  }
}
