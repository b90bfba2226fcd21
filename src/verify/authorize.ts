import { taskOf as taskIn } from '../core/task.ts'
import { trustDomainOf, type SpiffeId, type TrustDomain } from '../core/spiffe-id.ts'

/** Says which peers are wanted. Required wherever an identity is verified: no default accepts. */
export type Authorizer = (id: SpiffeId) => boolean

/** Any identity of the trust domain. */
export function memberOf(trustDomain: TrustDomain): Authorizer {
  return (id) => trustDomainOf(id) === trustDomain
}

/** This identity and no other. */
export function exactly(wanted: SpiffeId): Authorizer {
  return (id) => id === wanted
}

/** Any grant of this workload, `<workload>/task/<id>` and the children below it: by parsed segments. Not the workload itself. */
export function taskOf(workload: SpiffeId): Authorizer {
  return (id) => taskIn(id)?.workload === workload
}

/** Any of these identities; an empty list allows nobody. */
export function oneOf(wanted: Iterable<SpiffeId>): Authorizer {
  const allowed = new Set(wanted)
  return (id) => allowed.has(id)
}
