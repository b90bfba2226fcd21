import type { SPIFFEID, SPIFFEID__Output } from '../../proto/generated/spire/api/types/SPIFFEID.ts'
import { MayflyError } from '../../src/core/errors.ts'
import { isAgentId, parseSpiffeId, pathOf, trustDomainOf } from '../../src/core/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../src/core/spiffe-id.ts'

export function idToWire(id: SpiffeId): SPIFFEID {
  return { trustDomain: trustDomainOf(id), path: pathOf(id) }
}

/** The text of an ID, not yet parsed; as SPIRE, tolerates `spiffe://` before the trust domain. Empty for none. */
export function idText(wire: SPIFFEID__Output | null | undefined): string {
  if (wire === null || wire === undefined) return ''
  const domain = wire.trustDomain.startsWith('spiffe://') ? wire.trustDomain.slice('spiffe://'.length) : wire.trustDomain
  return `spiffe://${domain}${wire.path === '' || wire.path.startsWith('/') ? '' : '/'}${wire.path}`
}

/** @throws {MayflyError} SPIFFE_ID_INVALID, INVALID_ARGUMENT when it is missing or of another trust domain */
export function memberId(wire: SPIFFEID__Output | null | undefined, trustDomain: TrustDomain): SpiffeId {
  if (wire === null || wire === undefined) throw new MayflyError('INVALID_ARGUMENT', 'the request must name a SPIFFE ID')
  const id = parseSpiffeId(idText(wire))
  if (trustDomainOf(id) !== trustDomain) throw new MayflyError('INVALID_ARGUMENT', `${id} is not in trust domain ${trustDomain}`)
  return id
}

/** @throws {MayflyError} SPIFFE_ID_INVALID, INVALID_ARGUMENT when it is not an agent's */
export function agentId(wire: SPIFFEID__Output | null | undefined, trustDomain: TrustDomain): SpiffeId {
  const id = memberId(wire, trustDomain)
  if (!isAgentId(id)) throw new MayflyError('INVALID_ARGUMENT', `${id} is not the ID of an agent`)
  return id
}
