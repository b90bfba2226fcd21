import type { Handlers } from '../../src/rpc/handlers.ts'
import type { Caller } from './caller.ts'
import { noFederation } from './later.ts'

/** SPIRE's relations with other trust domains: each call says that there are none yet. */
export function trustDomainService(): Handlers<'spire.api.server.trustdomain.v1.TrustDomain', Caller> {
  return {
    ListFederationRelationships: noFederation,
    GetFederationRelationship: noFederation,
    BatchCreateFederationRelationship: noFederation,
    BatchUpdateFederationRelationship: noFederation,
    BatchDeleteFederationRelationship: noFederation,
    RefreshBundle: noFederation,
  }
}
