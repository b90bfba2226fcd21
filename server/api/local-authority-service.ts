import type { AuthorityState } from '../../proto/generated/spire/api/server/localauthority/v1/AuthorityState.ts'
import { toHex } from '../../src/core/bytes.ts'
import { MayflyError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Handlers } from '../../src/rpc/handlers.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { AuthoritySet } from '../ca/authorities.ts'
import { upstreamKeyIds } from '../ca/upstream/ending.ts'
import type { Actor, Authority } from '../store/port.ts'
import { nameOf } from './caller.ts'
import type { Caller } from './caller.ts'
import { noTokens } from './later.ts'

export interface LocalAuthorityDeps {
  readonly authorities: Pick<AuthoritySet, 'all' | 'prepare' | 'activate' | 'taint' | 'revoke' | 'taintUpstream' | 'revokeUpstream' | 'upstream'>
  readonly clock: Clock
}

/**
 * SPIRE's local authority API, X.509: an authority is named by its subject key identifier. SPIRE's order is kept: only a prepared one is
 * activated, only an old one is tainted, only an old or tainted one is revoked. Of keys of tokens it says that there are none yet.
 */
export function localAuthorityService({ authorities, clock }: LocalAuthorityDeps): Handlers<'spire.api.server.localauthority.v1.LocalAuthority', Caller> {
  const actor = (caller: Caller): Actor => ({ name: nameOf(caller), atMs: clock.nowMs() })
  const find = (authorityId: string, states: readonly Authority['state'][], verb: string): Authority => {
    if (authorityId === '') throw new MayflyError('INVALID_ARGUMENT', 'no authority ID provided')
    const found = authorities.all().find((authority) => keyIdOf(authority) === authorityId.toLowerCase())
    if (found === undefined) throw new MayflyError('INVALID_ARGUMENT', 'unexpected authority ID')
    if (found.state === 'active') throw new MayflyError('INVALID_ARGUMENT', `unable to ${verb} current local authority`)
    if (!states.includes(found.state)) throw new MayflyError('INVALID_ARGUMENT', `only ${states.join(' or ')} local authorities can be ${pastOf[verb] ?? verb}`)
    return found
  }
  const upstreamKeyId = (subjectKeyId: string): string => {
    if (authorities.upstream() === undefined) throw new MayflyError('PRECONDITION_FAILED', 'upstream authority is not configured')
    if (subjectKeyId === '') throw new MayflyError('INVALID_ARGUMENT', 'no subject key ID provided')
    return subjectKeyId.toLowerCase()
  }
  return {
    GetX509AuthorityState: async () => ({
      active: stateOf(authorities.all().find(({ state }) => state === 'active')),
      prepared: stateOf(authorities.all().find(({ state }) => state === 'prepared')),
      // a tainted one is old still, as SPIRE counts: it is there to be revoked
      old: stateOf(authorities.all().findLast(({ state }) => state === 'old' || state === 'tainted')),
    }),
    PrepareX509Authority: async (_, { peer }) => ({ preparedAuthority: stateOf(await authorities.prepare(actor(peer))) }),
    ActivateX509Authority: async ({ authorityId }, { peer }) => {
      const found = find(authorityId, ['prepared'], 'activate')
      await authorities.activate(found.id, actor(peer))
      return { activatedAuthority: stateOf(found) }
    },
    TaintX509Authority: async ({ authorityId }, { peer }) => {
      const found = find(authorityId, ['old'], 'taint')
      await authorities.taint(found.id, actor(peer))
      return { taintedAuthority: stateOf(found) }
    },
    RevokeX509Authority: async ({ authorityId }, { peer }) => {
      const found = find(authorityId, ['old', 'tainted'], 'revoke')
      await authorities.revoke(found.id, actor(peer))
      return { revokedAuthority: stateOf(found) }
    },
    TaintX509UpstreamAuthority: async ({ subjectKeyId }, { peer }) => {
      const keyId = upstreamKeyId(subjectKeyId)
      await authorities.taintUpstream(keyId, actor(peer))
      return { upstreamAuthoritySubjectKeyId: keyId }
    },
    RevokeX509UpstreamAuthority: async ({ subjectKeyId }, { peer }) => {
      const keyId = upstreamKeyId(subjectKeyId)
      await authorities.revokeUpstream(keyId, actor(peer))
      return { upstreamAuthoritySubjectKeyId: keyId }
    },
    GetJWTAuthorityState: noTokens,
    PrepareJWTAuthority: noTokens,
    ActivateJWTAuthority: noTokens,
    TaintJWTAuthority: noTokens,
    RevokeJWTAuthority: noTokens,
    GetWITAuthorityState: noTokens,
    PrepareWITAuthority: noTokens,
    ActivateWITAuthority: noTokens,
    TaintWITAuthority: noTokens,
    RevokeWITAuthority: noTokens,
  }
}

const pastOf: Readonly<Record<string, string>> = { activate: 'activated', taint: 'tainted', revoke: 'revoked' }

function keyIdOf(authority: Authority): string {
  return toHex(parseCertificate(authority.certificate).extensions.subjectKeyId ?? new Uint8Array(0))
}

function stateOf(authority: Authority | undefined): AuthorityState | null {
  return authority === undefined ? null : { authorityId: keyIdOf(authority), expiresAt: Math.floor(authority.notAfterMs / 1_000), upstreamAuthoritySubjectKeyId: upstreamKeyIds(authority)[0] ?? '' }
}
