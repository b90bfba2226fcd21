import type { CreateJoinTokenRequest__Output } from '../../proto/generated/spire/api/server/agent/v1/CreateJoinTokenRequest.ts'
import type { JoinToken } from '../../proto/generated/spire/api/types/JoinToken.ts'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { hasGrantSegment, isReserved, pathOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { Quota } from '../../src/rpc/quota.ts'
import { verifyCsr } from '../../src/x509/csr.ts'
import type { JoinTokens } from '../attest/join-token.ts'
import type { NodeAttestor } from '../attest/node-attestor.ts'
import type { TargetEnds } from '../grants/target-ends.ts'
import { termsOf } from '../limits.ts'
import type { ServerLimits } from '../limits.ts'
import type { Actor, Store } from '../store/port.ts'
import { agentOf } from './agent-caller.ts'
import { attestAgent } from './attest-agent.ts'
import { AgentVersions } from './agent-versions.ts'
import { nameOf } from './caller.ts'
import type { Caller, OutdatedCaller } from './caller.ts'
import { issueOne, svidToWire } from './issuance.ts'
import type { Privileged } from './privileged.ts'
import type { Issued, Issuer } from './issuance.ts'
import { agentFilter, agentToWire } from './wire-agent.ts'
import { agentId as parseAgentId, memberId } from './wire-id.ts'

export interface AgentServiceDeps {
  readonly store: Store
  readonly grants: { readonly targets: Pick<TargetEnds, 'ban' | 'evict'> }
  readonly issuer: Issuer
  /** Which IDs are root's alone to give. */
  readonly privileged: Pick<Privileged, 'check'>
  readonly joinTokens: JoinTokens
  readonly attestors: readonly NodeAttestor[]
  readonly clock: Clock
  /** What is live is told by the time of grants, which no leap of the wall clock moves: a clock an hour ahead hides nothing from a revocation. */
  readonly grantTimeMs: () => number
  readonly log: Logger
  readonly trustDomain: TrustDomain
  readonly agentSvidTtlMs: number
  /** Older authorities' word for the one that signs: agents show it beside their SVID, should the server be rolled back to when it knew only those. */
  readonly vouchers: () => readonly Uint8Array[]
  readonly limits: () => ServerLimits
}

const maxCsrBytes = 16_384
const defaultPageSize = 500
const maxPageSize = 1_000

/** SPIRE's agent API. */
export function agentService(deps: AgentServiceDeps): Handlers<'spire.api.server.agent.v1.Agent', Caller> {
  const { store, clock, grantTimeMs, log, trustDomain } = deps
  const attestQuota = new Quota(clock, termsOf(deps.limits, 'attestationsPerSecond'))
  const renewQuota = new Quota(clock, termsOf(deps.limits, 'renewalsPerSecond'))
  const versions = new AgentVersions(deps)
  const actor = (caller: Caller): Actor => ({ name: nameOf(caller), atMs: grantTimeMs() })
  return {
    AttestAgent: (requests, call) =>
      attestAgent(requests, call, { ...deps, attempts: attestQuota, renewals: renewQuota, checkCsr, issue: async (agentId, csr, signal) => await issueAgentSvid(agentId, csr, signal, deps) }),
    RenewAgent: async ({ params }, { peer, signal }) => {
      const id = agentOf(peer)
      renewQuota.take(id, 1)
      if (params === null) throw new MayflyError('INVALID_ARGUMENT', 'params cannot be nil')
      if (peer.kind === 'outdated') await checkOutdated(peer, deps)
      const issued = await issueAgentSvid(id, checkCsr(params.csr), signal, deps)
      log.info({ event: 'agent.renewed', agentId: id, serial: toHex(issued.serial), notAfterMs: issued.notAfterMs }, 'agent renewed its SVID')
      return { svid: svidToWire({ ...issued, chain: [...issued.chain, ...deps.vouchers()] }) }
    },
    PostStatus: async ({ agentVersion }, { peer }) => {
      await versions.record(agentOf(peer), agentVersion)
      return {}
    },
    CountAgents: async ({ filter }) => ({ count: await store.agents.count(agentFilter(filter)) }),
    ListAgents: async ({ filter, outputMask, pageSize, pageToken }) => {
      if (pageSize < 0) throw new MayflyError('INVALID_ARGUMENT', 'a page size is not negative')
      const size = pageSize === 0 ? defaultPageSize : Math.min(pageSize, maxPageSize)
      const page = await store.agents.list(agentFilter(filter), pageToken === '' ? { size } : { size, after: pageToken })
      return { agents: page.items.map((agent) => agentToWire(agent, outputMask)), nextPageToken: page.next ?? '' }
    },
    GetAgent: async ({ id, outputMask }) => {
      const agent = await store.agents.byId(parseAgentId(id, trustDomain))
      if (agent === undefined) throw new MayflyError('NOT_FOUND', 'agent not found')
      return agentToWire(agent, outputMask)
    },
    DeleteAgent: async ({ id }, { peer }) => {
      const agentId = parseAgentId(id, trustDomain)
      const { hits } = await deps.grants.targets.evict(agentId, actor(peer))
      log.info({ event: 'agent.deleted', agentId, by: nameOf(peer), credentials: hits.credentials }, 'agent evicted')
      return {}
    },
    BanAgent: async ({ id }, { peer }) => {
      const agentId = parseAgentId(id, trustDomain)
      const { hits } = await deps.grants.targets.ban(agentId, actor(peer))
      log.info({ event: 'agent.banned', agentId, by: nameOf(peer), credentials: hits.credentials }, 'agent banned')
      return {}
    },
    CreateJoinToken: async (request, { peer }) => await createJoinToken(request, peer, deps),
  }
}

/** A CSR whose proof holds. @throws {MayflyError} CSR_INVALID */
function checkCsr(csr: Buffer | undefined): Buffer {
  if (csr === undefined || csr.length === 0) throw new MayflyError('CSR_INVALID', 'missing CSR')
  if (csr.length > maxCsrBytes) throw new MayflyError('CSR_INVALID', 'the CSR is too long')
  verifyCsr(csr)
  return csr
}

/** What the restored ledger holds against an SVID from before it. One that it does not know was issued after the backup. @throws {MayflyError} PERMISSION_DENIED */
async function checkOutdated({ id, serial }: OutdatedCaller, { store, log }: AgentServiceDeps): Promise<void> {
  const known = await store.credentials.bySerial(serial)
  if (known !== undefined && (known.spiffeId !== id || (known.state === 'revoked' && known.cause !== 'authority_revoked'))) {
    throw new MayflyError('PERMISSION_DENIED', `the SVID of ${id} was ended before the server was restored`, { hint: 'the agent joins with a new token' })
  }
  log.info({ event: 'agent.returned', agentId: id, serial, known: known !== undefined }, 'an agent comes back with an SVID from before the restore')
}

async function issueAgentSvid(agentId: SpiffeId, csr: Buffer, signal: AbortSignal, { issuer, store, clock, agentSvidTtlMs }: AgentServiceDeps): Promise<Issued> {
  const issued = await issueOne(issuer, { kind: 'agent', profile: 'agent-svid', key: { csr }, spiffeId: agentId, dnsNames: [], ttlMs: agentSvidTtlMs, agentId, owner: '' }, signal)
  await store.agents.recordSvid(agentId, { serial: toHex(issued.serial), notAfterMs: issued.notAfterMs }, { name: agentId, atMs: clock.nowMs() })
  return issued
}

async function createJoinToken(request: CreateJoinTokenRequest__Output, caller: Caller, { joinTokens, privileged, trustDomain, clock, log }: AgentServiceDeps): Promise<JoinToken> {
  const by: Actor = { name: nameOf(caller), atMs: clock.nowMs() }
  const aliasId = request.agentId === null ? undefined : memberId(request.agentId, trustDomain)
  if (aliasId !== undefined && (pathOf(aliasId) === '' || isReserved(aliasId) || hasGrantSegment(aliasId))) {
    throw new MayflyError('INVALID_ARGUMENT', 'the extra ID of an agent has a path, outside /spire and without `task` or `sub`')
  }
  if (aliasId !== undefined) privileged.check(caller, { spiffeId: aliasId })
  const issued = await joinTokens.create({
    ttlMs: request.ttl * 1_000,
    ...(request.token === '' ? {} : { value: request.token }),
    by,
    ...(aliasId === undefined ? {} : { aliasId }),
  })
  log.info({ event: 'token.created', agentId: issued.agentId, expiresAtMs: issued.expiresAtMs, by: by.name }, 'join token created')
  return { value: issued.secret.reveal(), expiresAt: Math.floor(issued.expiresAtMs / 1_000) }
}
