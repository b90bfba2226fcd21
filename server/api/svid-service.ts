import type { BatchNewX509SVIDResponse } from '../../proto/generated/spire/api/server/svid/v1/BatchNewX509SVIDResponse.ts'
import type { BatchNewX509SVIDRequest__Output } from '../../proto/generated/spire/api/server/svid/v1/BatchNewX509SVIDRequest.ts'
import type { NewDownstreamX509CARequest__Output } from '../../proto/generated/spire/api/server/svid/v1/NewDownstreamX509CARequest.ts'
import type { NewDownstreamX509CAResponse } from '../../proto/generated/spire/api/server/svid/v1/NewDownstreamX509CAResponse.ts'
import type { MintX509SVIDRequest__Output } from '../../proto/generated/spire/api/server/svid/v1/MintX509SVIDRequest.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { hasGrantSegment, isReserved, parseSpiffeId, pathOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { verifyCsr } from '../../src/x509/csr.ts'
import type { DownstreamAuthorities } from '../ca/downstream.ts'
import type { IssueRequest } from '../ca/pipeline.ts'
import { termsOf } from '../limits.ts'
import type { ServerLimits } from '../limits.ts'
import type { IndexedEntry } from '../registry/entry-index.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/port.ts'
import { agentOf } from './agent-caller.ts'
import type { BundleSource } from './bundle-service.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { issueOne, svidToWire } from './issuance.ts'
import type { Issuer } from './issuance.ts'
import { noTokens } from './later.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { ok, statusOf } from './status.ts'
import type { WireStatus } from './status.ts'

export interface SvidServiceDeps {
  readonly issuer: Issuer
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly trustDomain: TrustDomain
  /** Of entries that name none. */
  readonly x509SvidTtlMs: number
  readonly limits: () => ServerLimits
  readonly downstream: Pick<DownstreamAuthorities, 'certify'>
  readonly store: Pick<Store, 'credentials'>
  readonly bundles: BundleSource
}

const maxBatch = 500
const maxCsrBytes = 16_384

/** SPIRE's SVID API: X.509. Agents get what their entries name and nothing else; of tokens it says that there are none yet. */
export function svidService(deps: SvidServiceDeps): Handlers<'spire.api.server.svid.v1.SVID', Caller> {
  const quota = new Quota(deps.clock, termsOf(deps.limits, 'signaturesPerSecond'))
  const downstreamQuota = new Quota(deps.clock, termsOf(deps.limits, 'renewalsPerSecond'))
  return {
    BatchNewX509SVID: async (request, { peer, signal }) => {
      const agentId = agentOf(peer)
      if (request.params.length === 0) throw new MayflyError('INVALID_ARGUMENT', 'missing parameters')
      if (request.params.length > maxBatch) throw new MayflyError('LIMIT_EXCEEDED', `at most ${maxBatch} SVIDs in one call, this one asks for ${request.params.length}`)
      quota.take(agentId, request.params.length)
      return await newSvids(request, agentId, signal, deps)
    },
    MintX509SVID: async (request, { peer, signal }) => {
      const issued = await issueOne(deps.issuer, mintRequest(request, deps), signal)
      deps.log.info({ event: 'svid.minted', spiffeId: issued.spiffeId, notAfterMs: issued.notAfterMs, by: nameOf(peer) }, 'minted')
      return { svid: svidToWire(issued) }
    },
    MintJWTSVID: noTokens,
    MintWITSVID: noTokens,
    NewJWTSVID: noTokens,
    BatchNewWITSVID: noTokens,
    NewDownstreamX509CA: async (request, { peer, signal }) => {
      downstreamQuota.take(nameOf(peer), 1)
      return await newDownstreamAuthority(request, peer, signal, deps)
    },
  }
}

/** An authority for a nested server: only with an SVID whose entry says that it is one, and recorded under that entry. */
async function newDownstreamAuthority({ csr, preferredTtl }: NewDownstreamX509CARequest__Output, peer: Caller, signal: AbortSignal, { registry, clock, store, downstream, bundles }: SvidServiceDeps): Promise<NewDownstreamX509CAResponse> {
  const entry = peer.kind === 'svid' ? registry.entries.downstreamEntry(peer.id, clock.nowMs()) : undefined
  if (peer.kind !== 'svid' || entry === undefined) throw new MayflyError('PERMISSION_DENIED', 'caller is not a downstream workload', { hint: 'an entry for its SPIFFE ID with downstream set makes it one' })
  checkCsrSize(csr)
  if (preferredTtl < 0) throw new MayflyError('INVALID_ARGUMENT', 'a ttl is not negative')
  const agentId = (await store.credentials.bySerial(peer.serial))?.agentId
  const { chain } = await downstream.certify({ csr, entry, preferredTtlMs: preferredTtl * 1_000, ...(agentId === undefined ? {} : { agentId }) }, signal)
  return { caCertChain: chain.map((der) => Buffer.from(der)), x509Authorities: bundles.bundle().x509Authorities.map((der) => Buffer.from(der)) }
}

/** @throws {MayflyError} CSR_INVALID */
function checkCsrSize(csr: Buffer): void {
  if (csr.length === 0 || csr.length > maxCsrBytes) throw new MayflyError('CSR_INVALID', csr.length === 0 ? 'missing CSR' : 'the CSR is too long')
}

async function newSvids({ params }: BatchNewX509SVIDRequest__Output, agentId: SpiffeId, signal: AbortSignal, deps: SvidServiceDeps): Promise<BatchNewX509SVIDResponse> {
  const statuses: (WireStatus | undefined)[] = []
  const requests: IssueRequest[] = []
  for (const { entryId, csr } of params) {
    const request = requestFor(entryId, csr, agentId, deps)
    if ('code' in request) {
      statuses.push(request)
    } else {
      statuses.push(undefined)
      requests.push(request)
    }
  }
  const outcomes = requests.length === 0 ? [] : await deps.issuer.issue(requests, signal)
  let next = 0
  return {
    results: statuses.map((status) => {
      if (status !== undefined) return { status, svid: null }
      const outcome = outcomes[next++]
      if (outcome === undefined) return { status: statusOf('INTERNAL', 'no outcome'), svid: null }
      return outcome.kind === 'issued' ? { status: ok, svid: svidToWire(outcome) } : { status: statusOf(outcome.code, outcome.message), svid: null }
    }),
  }
}

function requestFor(entryId: string, csr: Buffer, agentId: SpiffeId, { registry, clock, x509SvidTtlMs }: SvidServiceDeps): IssueRequest | WireStatus {
  if (entryId === '') return statusOf('INVALID_ARGUMENT', 'missing entry ID')
  if (csr.length === 0 || csr.length > maxCsrBytes) return statusOf('CSR_INVALID', csr.length === 0 ? 'missing CSR' : 'the CSR is too long')
  const entry = registry.authorizedEntry(agentId, entryId)
  if (entry === undefined) {
    const known = registry.entries.byId(entryId)
    // Only to an agent that would have it otherwise: to others an entry of another agent is as if it were not.
    const wouldBeIts = known !== undefined && registry.entries.isDisabled(known) && registry.entries.rootsOf(known.parentId).agentIds.has(agentId)
    if (wouldBeIts) return statusOf('TARGET_DISABLED', 'the entry, its SPIFFE ID or its owner is disabled')
    return statusOf('NOT_FOUND', 'entry not found or not authorized')
  }
  return {
    kind: 'workload',
    profile: 'x509-svid',
    key: { csr },
    spiffeId: entry.spiffeId,
    dnsNames: entry.dnsNames,
    ttlMs: ttlOf(entry, x509SvidTtlMs, clock.nowMs()),
    entryId: entry.id,
    agentId,
    owner: entry.owner,
  }
}

/** The entry's own TTL or the default, and never past the entry's expiry. At least a second, for the pipeline refuses less. */
function ttlOf(entry: IndexedEntry, defaultTtlMs: number, nowMs: number): number {
  const ttlMs = entry.x509SvidTtlSeconds === 0 ? defaultTtlMs : entry.x509SvidTtlSeconds * 1_000
  return entry.expiresAtSeconds === 0 ? ttlMs : Math.max(1_000, Math.min(ttlMs, entry.expiresAtSeconds * 1_000 - nowMs))
}

/** An administrator's own choice of ID, within the trust domain. The names come from the request, whose proof is checked. */
function mintRequest({ csr, ttl }: MintX509SVIDRequest__Output, { trustDomain, x509SvidTtlMs }: SvidServiceDeps): IssueRequest {
  checkCsrSize(csr)
  if (ttl < 0) throw new MayflyError('INVALID_ARGUMENT', 'a ttl is not negative')
  const proven = verifyCsr(csr)
  const [uri, ...others] = proven.uriSans
  if (uri === undefined || others.length > 0) throw new MayflyError('CSR_INVALID', uri === undefined ? 'the CSR names no SPIFFE ID' : 'the CSR has more than one URI')
  const spiffeId = parseSpiffeId(uri)
  if (trustDomainOf(spiffeId) !== trustDomain) throw new MayflyError('CSR_INVALID', `${spiffeId} is not in trust domain ${trustDomain}`)
  if (pathOf(spiffeId) === '' || isReserved(spiffeId)) throw new MayflyError('CSR_INVALID', `${spiffeId} is not the ID of a workload`)
  if (hasGrantSegment(spiffeId)) throw new MayflyError('CSR_INVALID', `${spiffeId} has a segment \`task\` or \`sub\`, which grants are named by`)
  return { kind: 'mint', profile: 'x509-svid', key: { csr }, spiffeId, dnsNames: proven.dnsSans, ttlMs: ttl === 0 ? x509SvidTtlMs : ttl * 1_000, owner: '' }
}
