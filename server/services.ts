import type { RpcServer } from '../src/rpc/server.ts'
import type { Standing } from './api/authorization.ts'
import type { Caller } from './api/caller.ts'
import { agentService } from './api/agent-service.ts'
import type { AgentServiceDeps } from './api/agent-service.ts'
import { authoritiesService } from './api/authorities-service.ts'
import type { AuthoritiesServiceDeps } from './api/authorities-service.ts'
import { bundleService } from './api/bundle-service.ts'
import type { BundleSource } from './api/bundle-service.ts'
import { crlsService } from './api/crls-service.ts'
import type { CrlsServiceDeps } from './api/crls-service.ts'
import { entryService } from './api/entry-service.ts'
import type { EntryServiceDeps } from './api/entry-service.ts'
import { guarded } from './api/guard.ts'
import { leaksService } from './api/leaks-service.ts'
import type { LeaksServiceDeps } from './api/leaks-service.ts'
import { localAuthorityService } from './api/local-authority-service.ts'
import { registryService } from './api/registry-service.ts'
import { revocationStreamService } from './api/revocation-stream-service.ts'
import { revocationsService } from './api/revocations-service.ts'
import { statusService } from './api/status-service.ts'
import type { StatusServiceDeps } from './api/status-service.ts'
import { svidService } from './api/svid-service.ts'
import type { SvidServiceDeps } from './api/svid-service.ts'
import { verifiersService } from './api/verifiers-service.ts'
import type { VerifiersServiceDeps } from './api/verifiers-service.ts'
import { syncService } from './api/sync-service.ts'
import type { SyncServiceDeps } from './api/sync-service.ts'

export type ServicesDeps = AgentServiceDeps & EntryServiceDeps & SvidServiceDeps & SyncServiceDeps & StatusServiceDeps & VerifiersServiceDeps & AuthoritiesServiceDeps & LeaksServiceDeps & CrlsServiceDeps & { readonly bundles: BundleSource; readonly standing: Standing }

/** Every service of the server, each method behind the authorization table. */
export function addServices(rpc: RpcServer<Caller>, deps: ServicesDeps): void {
  const { standing } = deps
  rpc.add('spire.api.server.agent.v1.Agent', guarded<'spire.api.server.agent.v1.Agent'>(agentService(deps), standing))
  rpc.add('spire.api.server.bundle.v1.Bundle', guarded<'spire.api.server.bundle.v1.Bundle'>(bundleService(deps.bundles), standing))
  rpc.add('spire.api.server.entry.v1.Entry', guarded<'spire.api.server.entry.v1.Entry'>(entryService(deps), standing))
  rpc.add('spire.api.server.svid.v1.SVID', guarded<'spire.api.server.svid.v1.SVID'>(svidService(deps), standing))
  rpc.add('spire.api.server.localauthority.v1.LocalAuthority', guarded<'spire.api.server.localauthority.v1.LocalAuthority'>(localAuthorityService(deps), standing))
  rpc.add('mayfly.v1.Authorities', guarded<'mayfly.v1.Authorities'>(authoritiesService(deps), standing))
  rpc.add('mayfly.v1.Crls', guarded<'mayfly.v1.Crls'>(crlsService(deps), standing))
  rpc.add('mayfly.v1.Leaks', guarded<'mayfly.v1.Leaks'>(leaksService(deps), standing))
  rpc.add('mayfly.v1.Registry', guarded<'mayfly.v1.Registry'>(registryService(deps.operations), standing))
  rpc.add('mayfly.v1.Revocations', guarded<'mayfly.v1.Revocations'>(revocationsService(deps), standing))
  rpc.add('mayfly.v1.RevocationStream', guarded<'mayfly.v1.RevocationStream'>(revocationStreamService(deps.revocations), standing))
  rpc.add('mayfly.v1.Status', guarded<'mayfly.v1.Status'>(statusService(deps), standing))
  rpc.add('mayfly.v1.Verifiers', guarded<'mayfly.v1.Verifiers'>(verifiersService(deps), standing))
  rpc.add('mayfly.v1.Sync', guarded<'mayfly.v1.Sync'>(syncService(deps), standing))
}
