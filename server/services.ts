import { Quota } from '../src/rpc/quota.ts'
import type { RpcServer } from '../src/rpc/server.ts'
import type { Standing } from './api/authorization.ts'
import type { Caller } from './api/caller.ts'
import { approvalsService } from './api/approvals-service.ts'
import type { ApprovalsServiceDeps } from './api/approvals-service.ts'
import { grantAdminService } from './api/grant-admin-service.ts'
import type { GrantAdminServiceDeps } from './api/grant-admin-service.ts'
import { grantControlService } from './api/grant-control-service.ts'
import type { GrantControlServiceDeps } from './api/grant-control-service.ts'
import { policiesService } from './api/policies-service.ts'
import type { PoliciesServiceDeps } from './api/policies-service.ts'
import { agentService } from './api/agent-service.ts'
import type { AgentServiceDeps } from './api/agent-service.ts'
import { authoritiesService } from './api/authorities-service.ts'
import type { AuthoritiesServiceDeps } from './api/authorities-service.ts'
import { backupsService } from './api/backups-service.ts'
import type { BackupsServiceDeps } from './api/backups-service.ts'
import { bundleService } from './api/bundle-service.ts'
import type { BundleSource } from './api/bundle-service.ts'
import type { FederatedBundleDeps } from './api/federated-bundle-calls.ts'
import { crlsService } from './api/crls-service.ts'
import type { CrlsServiceDeps } from './api/crls-service.ts'
import { debugService } from './api/debug-service.ts'
import type { DebugServiceDeps } from './api/debug-service.ts'
import { entryService } from './api/entry-service.ts'
import type { EntryServiceDeps } from './api/entry-service.ts'
import { guarded } from './api/guard.ts'
import { leaksService } from './api/leaks-service.ts'
import type { LeaksServiceDeps } from './api/leaks-service.ts'
import { localAuthorityService } from './api/local-authority-service.ts'
import type { LocalAuthorityDeps } from './api/local-authority-service.ts'
import { loggerService } from './api/logger-service.ts'
import type { LoggerServiceDeps } from './api/logger-service.ts'
import { registryService } from './api/registry-service.ts'
import { revocationStreamService } from './api/revocation-stream-service.ts'
import { revocationsService } from './api/revocations-service.ts'
import { settingsService } from './api/settings-service.ts'
import type { SettingsServiceDeps } from './api/settings-service.ts'
import { statusService } from './api/status-service.ts'
import type { StatusServiceDeps } from './api/status-service.ts'
import { svidService } from './api/svid-service.ts'
import type { SvidServiceDeps } from './api/svid-service.ts'
import { trustDomainService } from './api/trust-domain-service.ts'
import { verifiersService } from './api/verifiers-service.ts'
import type { VerifiersServiceDeps } from './api/verifiers-service.ts'
import { syncService } from './api/sync-service.ts'
import type { SyncServiceDeps } from './api/sync-service.ts'
import { termsOf } from './limits.ts'

export type ServicesDeps = BackupsServiceDeps & DebugServiceDeps & LoggerServiceDeps & AgentServiceDeps & EntryServiceDeps & SvidServiceDeps & SyncServiceDeps & StatusServiceDeps & VerifiersServiceDeps & AuthoritiesServiceDeps & LocalAuthorityDeps & LeaksServiceDeps & CrlsServiceDeps & SettingsServiceDeps & GrantControlServiceDeps & GrantAdminServiceDeps & ApprovalsServiceDeps & PoliciesServiceDeps & FederatedBundleDeps & { readonly bundles: BundleSource; readonly standing: Standing }

/** Every service of the server, each method behind the authorization table. */
export function addServices(rpc: RpcServer<Caller>, deps: ServicesDeps): void {
  const guard = { standing: deps.standing, messages: new Quota(deps.clock, termsOf(deps.limits, 'messagesPerSecond')) }
  rpc.add('spire.api.server.agent.v1.Agent', guarded<'spire.api.server.agent.v1.Agent'>(agentService(deps), guard))
  rpc.add('spire.api.server.bundle.v1.Bundle', guarded<'spire.api.server.bundle.v1.Bundle'>(bundleService(deps), guard))
  rpc.add('spire.api.server.entry.v1.Entry', guarded<'spire.api.server.entry.v1.Entry'>(entryService(deps), guard))
  rpc.add('spire.api.server.svid.v1.SVID', guarded<'spire.api.server.svid.v1.SVID'>(svidService(deps), guard))
  rpc.add('spire.api.server.localauthority.v1.LocalAuthority', guarded<'spire.api.server.localauthority.v1.LocalAuthority'>(localAuthorityService(deps), guard))
  rpc.add('spire.api.server.debug.v1.Debug', guarded<'spire.api.server.debug.v1.Debug'>(debugService(deps), guard))
  rpc.add('spire.api.server.logger.v1.Logger', guarded<'spire.api.server.logger.v1.Logger'>(loggerService(deps), guard))
  rpc.add('spire.api.server.trustdomain.v1.TrustDomain', guarded<'spire.api.server.trustdomain.v1.TrustDomain'>(trustDomainService(), guard))
  rpc.add('mayfly.v1.Authorities', guarded<'mayfly.v1.Authorities'>(authoritiesService(deps), guard))
  rpc.add('mayfly.v1.Backups', guarded<'mayfly.v1.Backups'>(backupsService(deps), guard))
  rpc.add('mayfly.v1.Crls', guarded<'mayfly.v1.Crls'>(crlsService(deps), guard))
  rpc.add('mayfly.v1.GrantControl', guarded<'mayfly.v1.GrantControl'>(grantControlService(deps), guard))
  rpc.add('mayfly.v1.GrantAdmin', guarded<'mayfly.v1.GrantAdmin'>(grantAdminService(deps), guard))
  rpc.add('mayfly.v1.Approvals', guarded<'mayfly.v1.Approvals'>(approvalsService(deps), guard))
  rpc.add('mayfly.v1.Policies', guarded<'mayfly.v1.Policies'>(policiesService(deps), guard))
  rpc.add('mayfly.v1.Leaks', guarded<'mayfly.v1.Leaks'>(leaksService(deps), guard))
  rpc.add('mayfly.v1.Registry', guarded<'mayfly.v1.Registry'>(registryService(deps.operations), guard))
  rpc.add('mayfly.v1.Revocations', guarded<'mayfly.v1.Revocations'>(revocationsService(deps), guard))
  rpc.add('mayfly.v1.RevocationStream', guarded<'mayfly.v1.RevocationStream'>(revocationStreamService(deps.revocations), guard))
  rpc.add('mayfly.v1.Settings', guarded<'mayfly.v1.Settings'>(settingsService(deps), guard))
  rpc.add('mayfly.v1.Status', guarded<'mayfly.v1.Status'>(statusService(deps), guard))
  rpc.add('mayfly.v1.Verifiers', guarded<'mayfly.v1.Verifiers'>(verifiersService(deps), guard))
  rpc.add('mayfly.v1.Sync', guarded<'mayfly.v1.Sync'>(syncService(deps), guard))
}
