import { MayflyError } from '../../src/core/errors.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import type { Caller } from './caller.ts'

/** SPIRE's relations with other trust domains: each call says that there are none yet. */
export function trustDomainService(): Handlers<'spire.api.server.trustdomain.v1.TrustDomain', Caller> {
  const refuse = async (): Promise<never> => {
    throw new MayflyError('UNIMPLEMENTED', 'this server fetches no bundles of other trust domains: federation comes with a later release')
  }
  return {
    ListFederationRelationships: refuse,
    GetFederationRelationship: refuse,
    BatchCreateFederationRelationship: refuse,
    BatchUpdateFederationRelationship: refuse,
    BatchDeleteFederationRelationship: refuse,
    RefreshBundle: refuse,
  }
}
