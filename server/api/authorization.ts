import { adminRoles, isAdminRole, mayAct, type AdminRole } from '../../src/core/admin-role.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { isAgentId } from '../../src/core/spiffe-id.ts'
import type { SpiffeId } from '../../src/core/spiffe-id.ts'
import type { Services } from '../../proto/generated/services.ts'
import type { Caller, SvidCaller } from './caller.ts'

/** Who may call: `anyone`, even without a certificate; `agent`: one that is attested, neither banned nor disabled; `downstream`: with an SVID of a downstream entry; else an administrator with that role, on the admin socket or with an SVID. */
export type Right = 'anyone' | 'agent' | 'downstream' | AdminRole

type ServedService = Exclude<keyof Services, 'SpiffeWorkloadAPI' | 'mayfly.v1.AgentAdmin' | 'mayfly.v1.Verifier' | 'mayfly.v1.VerifierReports' | 'mayfly.v1.Relays' | 'mayfly.v1.Grants' | 'spire.agent.debug.v1.Debug' | 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity' | 'grpc.reflection.v1.ServerReflection'>
type Table = { readonly [S in ServedService]: { readonly [M in keyof Services[S]]: readonly Right[] } }

/** What an agent may do with an SVID from before a restore. */
const renewal = '/spire.api.server.agent.v1.Agent/RenewAgent'
/** Where an agent says how far the revocation stream has come. */
const stream = '/mayfly.v1.Sync/Connect'
const read = ['read'] as const
const register = ['register'] as const
const revoke = ['revoke'] as const
const policy = ['policy'] as const
const authority = ['authority'] as const
const root = ['root'] as const
const agents = ['agent'] as const
const downstreams = ['downstream'] as const

/** One row for each method that the server has; what is not here is denied. SPIRE's rules where the method is SPIRE's. */
export const rights: Table = {
  'grpc.health.v1.Health': { Check: ['anyone'], List: ['anyone'], Watch: ['anyone'] },
  'spire.api.server.agent.v1.Agent': {
    AttestAgent: ['anyone'],
    RenewAgent: agents,
    PostStatus: agents,
    CountAgents: read,
    ListAgents: read,
    GetAgent: read,
    DeleteAgent: revoke,
    BanAgent: revoke,
    CreateJoinToken: register,
  },
  'spire.api.server.bundle.v1.Bundle': {
    GetBundle: ['anyone'],
    CountBundles: read,
    AppendBundle: authority,
    PublishJWTAuthority: downstreams,
    PublishWITAuthority: downstreams,
    ListFederatedBundles: read,
    GetFederatedBundle: ['read', 'agent'],
    BatchCreateFederatedBundle: authority,
    BatchUpdateFederatedBundle: authority,
    BatchSetFederatedBundle: authority,
    BatchDeleteFederatedBundle: authority,
  },
  'spire.api.server.debug.v1.Debug': { GetInfo: read },
  'spire.api.server.logger.v1.Logger': { GetLogger: read, SetLogLevel: root, ResetLogLevel: root },
  'spire.api.server.trustdomain.v1.TrustDomain': {
    ListFederationRelationships: read,
    GetFederationRelationship: read,
    BatchCreateFederationRelationship: authority,
    BatchUpdateFederationRelationship: authority,
    BatchDeleteFederationRelationship: authority,
    RefreshBundle: authority,
  },
  'spire.api.server.localauthority.v1.LocalAuthority': {
    GetX509AuthorityState: read,
    PrepareX509Authority: authority,
    ActivateX509Authority: authority,
    TaintX509Authority: authority,
    RevokeX509Authority: authority,
    TaintX509UpstreamAuthority: authority,
    RevokeX509UpstreamAuthority: authority,
    GetJWTAuthorityState: read,
    PrepareJWTAuthority: authority,
    ActivateJWTAuthority: authority,
    TaintJWTAuthority: authority,
    RevokeJWTAuthority: authority,
    GetWITAuthorityState: read,
    PrepareWITAuthority: authority,
    ActivateWITAuthority: authority,
    TaintWITAuthority: authority,
    RevokeWITAuthority: authority,
  },
  'spire.api.server.entry.v1.Entry': {
    CountEntries: read,
    ListEntries: read,
    GetEntry: read,
    BatchCreateEntry: register,
    BatchUpdateEntry: register,
    BatchDeleteEntry: register,
    GetAuthorizedEntries: agents,
    SyncAuthorizedEntries: agents,
  },
  'spire.api.server.svid.v1.SVID': {
    MintX509SVID: root,
    MintJWTSVID: root,
    MintWITSVID: root,
    BatchNewX509SVID: agents,
    NewJWTSVID: agents,
    BatchNewWITSVID: agents,
    NewDownstreamX509CA: downstreams,
  },
  'mayfly.v1.Sync': { Connect: agents },
  'mayfly.v1.RevocationStream': { Watch: ['agent', 'read'], Time: ['agent', 'read'] },
  'mayfly.v1.Crls': { Watch: agents },
  'mayfly.v1.Backups': { Create: root },
  'mayfly.v1.Leaks': { Report: ['anyone'] },
  'mayfly.v1.Authorities': { List: read, Prepare: authority, Activate: authority, Taint: authority, Revoke: authority },
  'mayfly.v1.Registry': { CreateEntries: register, UpdateEntries: register, ListEntries: read, CountEntries: read, GetEntry: read },
  'mayfly.v1.Revocations': { Revoke: revoke, Disable: revoke, Enable: revoke, ListDisabled: read },
  'mayfly.v1.Settings': { Reload: root },
  'mayfly.v1.Verifiers': { List: read, RevocationStatus: read, AwaitReceipts: read },
  'mayfly.v1.GrantControl': {
    Request: agents,
    Activate: agents,
    Renew: agents,
    LeaseSteps: agents,
    RecordSteps: agents,
    ConfirmStep: agents,
    End: agents,
    Show: agents,
    ReportOutsider: agents,
  },
  'mayfly.v1.GrantAdmin': {
    List: read,
    Show: read,
    Watch: read,
    End: revoke,
    Suspend: revoke,
    Resume: revoke,
    ListSteps: read,
    PutRole: register,
    DeleteRole: register,
    ListRoles: read,
    PutOwner: register,
    ListOwners: read,
    TransferOwner: register,
    RemoveOwner: revoke,
  },
  // approving takes a person's signature, whoever brings it: that the caller is an admin is no approval
  'mayfly.v1.Approvals': { List: read, Approve: ['anyone'], Deny: ['anyone'], Withdraw: ['anyone'], AddPerson: policy, RemovePerson: policy, ListPeople: read },
  'mayfly.v1.Policies': { Show: read, Apply: policy, Explain: read, Replay: read, PutException: policy, RemoveException: policy, ListExceptions: read },
  'mayfly.v1.Status': { Get: read, WatchEvents: read, FindCredentials: read },
}

/** What is known of SPIFFE IDs at this moment. */
export interface Standing {
  /** Why this agent may not call, or `undefined` when it may. */
  agentProblem(id: SpiffeId): 'AGENT_NOT_ATTESTED' | 'AGENT_BANNED' | 'TARGET_DISABLED' | undefined
  /** What this ID may administer; nothing for most. */
  rolesOf(id: SpiffeId): ReadonlySet<AdminRole>
  /** Whether some live entry makes its holder a server further down. */
  isDownstream(id: SpiffeId): boolean
  /** Whether this SVID has been revoked, lost its authority, or expired by the stream's time, since the connection was made. One that was merely superseded may go on. */
  isEnded(caller: SvidCaller): boolean
  nowMs(): number
}

/**
 * Lets the call pass, or throws. Asked at every call, so that a ban, a revocation or an expiry ends what a connection may do at once.
 * @param method as `/spire.api.server.entry.v1.Entry/ListEntries`
 * @throws {MayflyError} PERMISSION_DENIED, UNAUTHENTICATED, AGENT_BANNED, AGENT_EXPIRED, AGENT_NOT_ATTESTED, TARGET_DISABLED
 */
export function authorize(method: string, caller: Caller, standing: Standing): void {
  if (caller.kind === 'refused') throw new MayflyError(caller.code, caller.message, caller.hint === undefined ? {} : { hint: caller.hint })
  const allowed = rightsOf(method)
  if (allowed === undefined) throw new MayflyError('PERMISSION_DENIED', `${method} is nobody's`)
  if (caller.kind === 'svid') checkSvid(caller, standing)
  if (allowed.includes('anyone')) return
  switch (caller.kind) {
    case 'anonymous':
      throw new MayflyError('UNAUTHENTICATED', 'this call needs a client certificate', { hint: 'connect with an SVID of this trust domain, or over the admin socket' })
    case 'local':
      if (mayAdminister(allowed, caller.roles)) return
      if (allowed.some(isAdminRole)) throw lacking(`uid ${caller.uid}`, caller.roles, allowed)
      throw new MayflyError('PERMISSION_DENIED', `only ${allowed.includes('agent') ? 'an agent' : 'a downstream server, with its SVID,'} may make this call`)
    case 'outdated':
      if (method === renewal) return checkAgent(caller.id, standing)
      throw new MayflyError('SERVER_RESTORED', `the SVID of ${caller.id} is from before the server was restored`, { hint: 'agents of mayfly renew it by themselves; others join anew' })
    case 'unindexed':
      if (method === stream) return
      throw new MayflyError('PERMISSION_DENIED', `the authority of the SVID of ${caller.id} is not one of this server`)
    case 'svid': {
      const roles = standing.rolesOf(caller.id)
      if (mayAdminister(allowed, roles)) return
      if (allowed.includes('downstream') && standing.isDownstream(caller.id)) return
      if (allowed.includes('agent') && isAgentId(caller.id)) return checkAgent(caller.id, standing)
      if (roles.size > 0 && allowed.some(isAdminRole)) throw lacking(caller.id, roles, allowed)
      throw new MayflyError('PERMISSION_DENIED', `${caller.id} may not make this call`)
    }
    default:
      caller satisfies never
  }
}

/** What a caller may administer. */
export function rolesOf(caller: Caller, standing: Pick<Standing, 'rolesOf'>): ReadonlySet<AdminRole> {
  if (caller.kind === 'local') return caller.roles
  return caller.kind === 'svid' ? standing.rolesOf(caller.id) : nothing
}

const nothing: ReadonlySet<AdminRole> = new Set<AdminRole>()

function mayAdminister(allowed: readonly Right[], roles: ReadonlySet<AdminRole>): boolean {
  return allowed.some((right) => isAdminRole(right) && mayAct(roles, right))
}

function lacking(who: string, roles: ReadonlySet<AdminRole>, allowed: readonly Right[]): MayflyError {
  const has = adminRoles.filter((role) => roles.has(role)).join(', ')
  return new MayflyError('PERMISSION_DENIED', `${who} administers with the role ${has}; this call takes ${allowed.filter(isAdminRole).join(' or ')}`, { hint: 'somebody who has it has to; admins in the configuration of the server says who has what' })
}

/** `undefined` for a method without a row. */
export function rightsOf(method: string): readonly Right[] | undefined {
  const [, service, name] = /^\/([^/]+)\/([^/]+)$/.exec(method) ?? []
  const rows: Readonly<Record<string, Readonly<Record<string, readonly Right[]>>>> = rights
  if (service === undefined || name === undefined || !Object.hasOwn(rows, service)) return undefined
  const methods = rows[service]
  return methods !== undefined && Object.hasOwn(methods, name) ? methods[name] : undefined
}

function checkSvid(caller: SvidCaller, standing: Standing): void {
  if (standing.nowMs() > caller.notAfterMs) throw new MayflyError('AGENT_EXPIRED', `the SVID of ${caller.id} has expired`, { hint: 'connect again with a renewed SVID' })
  if (!standing.isEnded(caller)) return
  if (isAgentId(caller.id)) checkAgent(caller.id, standing) // says more
  throw new MayflyError(isAgentId(caller.id) ? 'AGENT_NOT_ACTIVE' : 'PERMISSION_DENIED', `the SVID of ${caller.id} was ended`, { hint: 'connect again with an SVID that is neither revoked nor expired' })
}

function checkAgent(id: SpiffeId, standing: Standing): void {
  const problem = standing.agentProblem(id)
  switch (problem) {
    case undefined:
      return
    case 'AGENT_BANNED':
      throw new MayflyError(problem, `agent ${id} is banned`, { hint: 'mayfly agent evict lifts the ban; the agent then joins with a new token' })
    case 'AGENT_NOT_ATTESTED':
      throw new MayflyError(problem, `agent ${id} is not attested`, { hint: 'join with a new token: mayfly token create' })
    case 'TARGET_DISABLED':
      throw new MayflyError(problem, `agent ${id} is disabled`)
    default:
      problem satisfies never
  }
}
